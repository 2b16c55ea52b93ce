/** Messages of several parts: alternatives, attachments, a forwarded message. */
import { ANNA, BEN } from "../accounts.ts";
import type { Sample } from "../mail.ts";

export const ATTACHMENTS: readonly Sample[] = [
	{
		from: "news@lighthouse.example",
		to: [ANNA.address, BEN.address],
		text: `
From: Lighthouse Weekly <news@lighthouse.example>
To: Anna <anna@demo.example>, Ben <ben@demo.example>
Subject: The lighthouse this week
Date: {DATE}
Message-ID: <news-1@demo.example>
MIME-Version: 1.0
List-Id: Lighthouse Weekly <weekly.lighthouse.example>
Content-Type: multipart/alternative; boundary="=-alternative-1"

This is a message in several parts.
--=-alternative-1
Content-Type: text/plain; charset=utf-8

THE LIGHTHOUSE THIS WEEK

* The lamp has been cleaned. Ships report being able to see it.
* The gull named Admiral is back.
* Stairs: still 214.

--=-alternative-1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!doctype html>
<html><body style=3D"font-family: sans-serif; color: #1d2522">
<h1 style=3D"color: #1a7f4f">The lighthouse this week</h1>
<ul>
<li>The lamp has been <b>cleaned</b>. Ships report being able to see it.</l=
i>
<li>The gull named <i>Admiral</i> is back.</li>
<li>Stairs: still 214.</li>
</ul>
</body></html>

--=-alternative-1--
`,
	},
	{
		from: BEN.address,
		to: [ANNA.address],
		text: `
From: Ben <ben@demo.example>
To: Anna <anna@demo.example>
Subject: The picture and the list
Date: {DATE}
Message-ID: <files-1@demo.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=-mixed-1"

--=-mixed-1
Content-Type: text/plain; charset=us-ascii

Here is the drawing of our three machines, and what we still need.

--=-mixed-1
Content-Type: image/png; name="three-nodes.png"
Content-Disposition: attachment; filename="three-nodes.png"
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAABAElEQVR42u3auw3CMBCA4asZ
gZFomIAOGhagZAuGYD6gxlIkOj/wnR+5/NJ1Qdb/JQIbhLw/r1WPAAAAAIA/wP5+jM0KAIn6
FgbpXG9ukP71tgYZUm9oAAAAAAAAANiJvZyFPJxGw5yu50R9uDo1IPQtU3F1IoDmBSMBJTfY
/CFIz/oWBgBVTYYGALU1VobNAzQdJoZtA/QF+hWk6cGhwyIy8OaZrJMHHJ632FjtpmGdx2UX
GxUgUb+MCSBRnzWIpt7EkK1PG0RZrzQU1icMoq+vNvxVHzMAcAP4fZyXDwAAvIkBuN2JPZyF
PJxGswbD31VbfR/gH1sAAAAAAGDu+QLg1+xBqWJyVgAAAABJRU5ErkJggg==

--=-mixed-1
Content-Type: text/plain; charset=utf-8; name*=utf-8''einkaufsliste%20f%C3%BCr%20Samstag.txt
Content-Disposition: attachment;
 filename*=utf-8''einkaufsliste%20f%C3%BCr%20Samstag.txt
Content-Transfer-Encoding: base64

w4RwZmVsCk1laGwKendlaSBFaW1lcgo=

--=-mixed-1--
`,
	},
	{
		from: ANNA.address,
		to: [BEN.address],
		text: `
From: Anna <anna@demo.example>
To: Ben <ben@demo.example>
Subject: Fwd: Timetable of the ferry
Date: {DATE}
Message-ID: <forward-1@demo.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=-forward-1"

--=-forward-1
Content-Type: text/plain; charset=us-ascii

Ben, see below: the last one leaves before the party ends.

--=-forward-1
Content-Type: message/rfc822
Content-Disposition: inline

From: Harbour Office <office@harbour.example>
To: Anna <anna@demo.example>
Subject: Timetable of the ferry
Date: Mon, 2 Nov 2026 08:15:00 +0100
Message-ID: <timetable-7@harbour.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=-inner-1"

--=-inner-1
Content-Type: text/plain; charset=us-ascii

Out   08:10  12:40  17:20
Back  08:55  13:25  21:45

--=-inner-1
Content-Type: text/html; charset=us-ascii

<table><tr><th>Out</th><td>08:10</td><td>12:40</td><td>17:20</td></tr>
<tr><th>Back</th><td>08:55</td><td>13:25</td><td>21:45</td></tr></table>

--=-inner-1--

--=-forward-1--
`,
	},
];
