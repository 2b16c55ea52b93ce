/** A conversation of three, format=flowed (RFC 3676). */
import { ANNA, BEN } from "../accounts.ts";
import type { Sample } from "../mail.ts";

export const THREAD: readonly Sample[] = [
	{
		from: ANNA.address,
		to: [BEN.address],
		text: `
From: Anna <anna@demo.example>
To: Ben <ben@demo.example>
Subject: Which boat?
Date: {DATE}
Message-ID: <boat-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii; format=flowed

Ben, the club has two boats left for the holidays: the small one that\x20
leaks a little, and the big one that nobody has managed to turn around\x20
in the harbour yet.

Which one do you trust us with?

Anna
`,
	},
	{
		from: BEN.address,
		to: [ANNA.address],
		text: `
From: Ben <ben@demo.example>
To: Anna <anna@demo.example>
Subject: Re: Which boat?
Date: {DATE}
Message-ID: <boat-2@demo.example>
In-Reply-To: <boat-1@demo.example>
References: <boat-1@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii; format=flowed

> Which one do you trust us with?

The one that leaks. Water coming in is a problem we understand; a harbour\x20
wall is not.

I have a bucket.

Ben
`,
	},
	{
		from: ANNA.address,
		to: [BEN.address],
		text: `
From: Anna <anna@demo.example>
To: Ben <ben@demo.example>
Subject: Re: Which boat?
Date: {DATE}
Message-ID: <boat-3@demo.example>
In-Reply-To: <boat-2@demo.example>
References: <boat-1@demo.example>
 <boat-2@demo.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii; format=flowed

>> Which one do you trust us with?
> The one that leaks. Water coming in is a problem we understand; a\x20
> harbour wall is not.

Booked. Bring the bucket, and a second one for me.

--\x20
Anna
`,
	},
];
