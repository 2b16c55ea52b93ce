/** Plain text in several languages, character sets and transfer encodings. */
import { ANNA, BEN } from "../accounts.ts";
import type { Sample } from "../mail.ts";

export const LANGUAGES: readonly Sample[] = [
	{
		from: "postmaster@welcome.example",
		to: [ANNA.address, BEN.address],
		text: `
From: pmnode demo <postmaster@welcome.example>
To: Anna <anna@demo.example>, Ben <ben@demo.example>
Subject: Welcome to three nodes that are one mail host
Date: {DATE}
Message-ID: <welcome-1@welcome.example>

Hello Anna, hello Ben,

this message was taken by one node and is on all three. Things to try:

 - read it on node a, then on node b: same mailbox, same UIDs
 - flag it on one node and look at another
 - kill a node with -9, send mail meanwhile, start the node again
 - cut a node off, move mail on both sides, and heal

.A line that begins with a dot, to see that dots are kept.
From the start of a line, also harmless.

Nothing here leaves your machine.
`,
	},
	{
		from: "katrin@garten.example",
		to: [ANNA.address],
		text: `
From: Katrin =?UTF-8?Q?M=C3=BCller?= <katrin@garten.example>
To: Anna <anna@demo.example>
Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_dem_Garten?=
Date: {DATE}
Message-ID: <garten-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Liebe Anna,

die =C3=84pfel sind reif, und wir haben viel zu viele davon. H=C3=A4ttest D=
u Lust, am Samstag zum Pfl=C3=BCcken zu kommen? F=C3=BCr Kuchen ist gesorgt=
, f=C3=BCr gr=C3=B6=C3=9Fere K=C3=B6rbe noch nicht.

=C3=9Cbrigens: 3 kg =3D 12 Gl=C3=A4ser Mus, wenn man den L=C3=B6ffel nicht =
zu oft ablenkt.

Sch=C3=B6ne Gr=C3=BC=C3=9Fe
Katrin
`,
	},
	{
		from: "helene@atelier.example",
		to: [BEN.address],
		text: `
From: =?UTF-8?B?SMOpbMOobmUgRmF1cmU=?= <helene@atelier.example>
To: Ben <ben@demo.example>
Subject: =?UTF-8?B?TCdleHBvc2l0aW9uIGRlIHByaW50ZW1wcyA6IGRlcm5pw6hyZXMgbm91dmVsbGVz?=
Date: {DATE}
Message-ID: <expo-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Cher Ben,

l'affiche est enfin prête ; où l'accrocher, là est la question. Le boulanger
accepte, à condition qu'on n'y voie pas de croissant mal dessiné. J'ai donc
effacé le croissant.

À très bientôt, « sans faute »,
Hélène — €12 l'entrée, naïveté comprise
`,
	},
	{
		from: "yuki@midori.example",
		to: [ANNA.address],
		text: `
From: =?UTF-8?B?5bGx55SwIOOChuOBjQ==?= <yuki@midori.example>
To: Anna <anna@demo.example>
Subject: =?UTF-8?B?5p2l6YCx44Gu5omT44Gh5ZCI44KP44Gb44Gr44Gk44GE44Gm?=
Date: {DATE}
Message-ID: <midori-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

44Ki44Oz44OK5qeYDQoNCuOBiuS4luipseOBq+OBquOBo+OBpuOBiuOCiuOBvuOBmeOAgg0K
5p2l6YCx44Gu5omT44Gh5ZCI44KP44Gb44Gv5rC05puc5pel44Gu5Y2I5b6M5LiJ5pmC44Gn
44GE44GL44GM44Gn44GX44KH44GG44GL44CCDQrpp4XliY3jga7llqvojLblupfjgIzjgb/j
ganjgorjgI3jgafjgYrlvoXjgaHjgZfjgabjgYTjgb7jgZnjgIINCg0K5bGx55SwIOOChuOB
jQ0K
`,
	},
	{
		from: "sato@shashin.example",
		to: [BEN.address],
		text: `
From: =?ISO-2022-JP?B?GyRCOjRGIxsoQg==?= <sato@shashin.example>
To: Ben <ben@demo.example>
Subject: =?ISO-2022-JP?B?GyRCPEw/PyROJDMkSBsoQg==?=
Date: {DATE}
Message-ID: <shashin-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-2022-jp
Content-Transfer-Encoding: 7bit

\u{1b}$B%Y%sMM\u{1b}(B

\u{1b}$B@hF|$O3Z$7$$0lF|$r$"$j$,$H$&$4$6$$$^$7$?!#\u{1b}(B
\u{1b}$B<L??$,$G$-$^$7$?$N$G!"6a$$$&$A$K$*Aw$j$7$^$9!#\u{1b}(B

\u{1b}$B:4F#\u{1b}(B
`,
	},
	{
		from: "layla@bustan.example",
		to: [ANNA.address],
		text: `
From: =?UTF-8?B?2YTZitmE2Ykg2K3Yr9in2K8=?= <layla@bustan.example>
To: Anna <anna@demo.example>
Subject: =?UTF-8?B?2K/YudmI2Kkg2KXZhNmJINin2YTYudi02KfYoQ==?=
Date: {DATE}
Message-ID: <bustan-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

عزيزتي آنا،

يسعدنا أن ندعوكِ إلى العشاء مساء الخميس في الساعة السابعة.
سنطبخ طعامًا كثيرًا، فلا تأكلي قبل أن تأتي.

مع أطيب التحيات
ليلى
`,
	},
	{
		from: "olga@berezka.example",
		to: [BEN.address],
		text: `
From: =?UTF-8?B?0J7Qu9GM0LPQsCDQkdC10YDRkdC30LrQuNC90LA=?= <olga@berezka.example>
To: Ben <ben@demo.example>
Subject: =?UTF-8?B?0J/QvtC10LfQtCDQsiDRgdGD0LHQsdC+0YLRgw==?=
Date: {DATE}
Message-ID: <berezka-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=koi8-r
Content-Transfer-Encoding: base64

+sTSwdfT1NfVytTFLCDixc4hDQoNCvDPxdrEINDSycjPxMnUINcg09XCws/U1SDXIDk6NDAs
INfUz9LPyiDXwcfPziDP1CDHz8zP19kuDQr+wcogwsXS1SDTINPPws/KLCDQydLP1svJINTP
1sUuDQoNCu/M2MfBDQo=
`,
	},
	{
		from: "kim@party.example",
		to: [ANNA.address, BEN.address],
		text: `
From: Kim <kim@party.example>
To: Anna <anna@demo.example>, Ben <ben@demo.example>
Subject: =?UTF-8?Q?=F0=9F=8E=89_Party_on_the_roof_=F0=9F=8C=99?=
Date: {DATE}
Message-ID: <party-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Friday, 8 pm, on the roof 🌃

Bring: 🥗 or 🍰, something warm 🧣, and one good story.
Families welcome 👩‍👩‍👧‍👦, dogs too 🐕‍🦺. Flags of all nations 🇯🇵🇫🇷🇩🇪 will be provided.

Kim 💚
`,
	},
];
