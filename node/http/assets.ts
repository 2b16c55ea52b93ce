/** Style and script of the status page, inline in it. */

export const STYLE = `
:root{color-scheme:light dark;--back:#f5f6f4;--card:#fff;--ink:#1d2522;--quiet:#5d6a64;--line:#dfe4e0;--good:#1a7f4f;--good-soft:#dff2e7;--warn:#96650a;--warn-soft:#fbeccb;--bad:#b3332b;--bad-soft:#fae0dd}
@media (prefers-color-scheme:dark){:root{--back:#131816;--card:#1c2320;--ink:#e6ebe8;--quiet:#9aa8a1;--line:#303a35;--good:#5cc98f;--good-soft:#173b29;--warn:#e5b04f;--warn-soft:#41330f;--bad:#f0857b;--bad-soft:#471f1b}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}
main{display:grid;gap:1rem;grid-template-columns:1fr;padding-top:1.5rem}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .75rem}
h1{margin:0;font-size:1.75rem;line-height:1.2;overflow-wrap:anywhere}
h2{margin:0 0 .75rem;font-size:.8rem;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--quiet)}
header p{margin:0 0 0 auto}
.quiet{color:var(--quiet)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.1rem 1.25rem}
.verdict{margin:0;padding:.7rem 1.25rem;border-radius:12px;font-weight:500}
.well{background:var(--good-soft);color:var(--good)}
.verdict.worry{background:var(--warn-soft);color:var(--warn)}
.badge,.state{display:inline-block;border-radius:99px;padding:0 .65em;font-size:.85rem;font-weight:600;background:var(--warn-soft);color:var(--warn)}
.ready,.up{background:var(--good-soft);color:var(--good)}
.down{background:var(--bad-soft);color:var(--bad)}
svg{display:block;width:100%;max-width:40rem;margin:0 auto;overflow:visible}
svg text{text-anchor:middle;fill:var(--ink);font-size:15px}
.link line{stroke:var(--good);stroke-width:2.5}
.link.suspect line,.link.draining line,.link.behind line{stroke:var(--warn);stroke-dasharray:9 6}
.link.down line{stroke:var(--bad);stroke-dasharray:2 8;stroke-linecap:round}
.plate{fill:var(--card)}
svg .round-trip,svg .note{fill:var(--quiet);font-size:13px}
svg .name{font-weight:600}
.node circle{fill:var(--warn-soft);stroke:var(--warn);stroke-width:2.5}
.node.ready circle,.node.up circle{fill:var(--good-soft);stroke:var(--good)}
.node.down circle{fill:var(--bad-soft);stroke:var(--bad);stroke-dasharray:2 6;stroke-linecap:round}
.node.self circle{stroke-width:5}
svg .inside{font-size:21px;font-weight:700}
svg.many .inside{font-size:13px}
svg.many .name{font-size:13px}
#table{overflow-x:auto;margin-top:1rem}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.45rem 1rem .45rem 0;border-top:1px solid var(--line);white-space:nowrap}
thead th{border:0;font-size:.8rem;color:var(--quiet);font-weight:500;padding-bottom:.2rem}
dl,dd{margin:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:1rem}
.figures div{display:flex;flex-direction:column}
.figures dd{font-size:1.75rem;font-weight:600;line-height:1.2;font-variant-numeric:tabular-nums}
.figures dt{color:var(--quiet);font-size:.9rem}
.figures .worry dd{color:var(--warn)}
.listeners{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.35rem 2rem}
.listeners div{display:flex;justify-content:space-between;gap:1rem}
.listeners dt{color:var(--quiet)}
.listeners dd{font-family:ui-monospace,monospace;font-size:.9rem}
.listeners dd.quiet{color:var(--quiet)}
footer{display:flex;justify-content:space-between;gap:1rem;padding-top:1rem;padding-bottom:2rem;font-size:.85rem;color:var(--quiet)}
a{color:inherit}
.lost main{opacity:.45}
.lost #live{color:var(--bad);font-weight:600}
`;

/**
 * Once a second: this page as it is now, and each part of it that differs is swapped, so that a selection or a screen
 * reader in the rest is left alone. The word "live" changes only when the connection does.
 */
export const SCRIPT = `
"use strict";
const parts = ["header", "verdict", "picture", "table", "mail", "listeners"];
const live = document.getElementById("live");
const say = (text) => { if (live.textContent !== text) live.textContent = text; };
async function refresh() {
  try {
    const response = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    const next = new DOMParser().parseFromString(await response.text(), "text/html");
    document.title = next.title;
    for (const id of parts) {
      const old = document.getElementById(id), now = next.getElementById(id);
      if (now && old.outerHTML !== now.outerHTML) old.replaceWith(document.adoptNode(now));
    }
    document.body.classList.remove("lost");
    say("live");
  } catch {
    document.body.classList.add("lost");
    say("this node does not answer; what you see is old");
  }
  setTimeout(refresh, 1000);
}
setTimeout(refresh, 1000);
`;
