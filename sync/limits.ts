/**
 * Every bound on what a peer, a client or a stranger can fill, each with its reason. Asserted against one another in
 * test/unit/limits.test.ts. Nothing here imports anything of ours.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

// ---- messages
/** What most large hosts accept (Gmail 50 MB in), and flat memory makes it safe. */
export const MESSAGE_BYTES_MAX = 50 * MiB;
/** Below this a body waits in memory for its group commit; above it is spooled to disk first. */
export const BODY_MEMORY_BYTES_MAX = 256 * KiB;
/** All bodies held in memory at once, over all connections; beyond it they go to disk, and writers wait for that. */
export const BODIES_MEMORY_BYTES_MAX = 64 * MiB;
/** Small bodies that were written or read lately: a screen or two of mail of each user who is reading now. */
export const BODIES_RECENT_BYTES_MAX = 16 * MiB;
/** A stored body: the message and the trace headers that nodes put before it. */
export const BODY_BYTES_MAX = MESSAGE_BYTES_MAX + 64 * KiB;
/** One append to the drive: large enough to amortise a sync, small enough not to delay the next one noticeably. */
export const BODY_APPEND_BYTES_MAX = 8 * MiB;
/** RFC 5321 §4.5.3.1.6: 1000 octets including CRLF. */
export const LINE_BYTES_MAX = 998;
/** RFC 5321 §4.5.3.1.8 asks for at least 100. */
export const RECIPIENTS_MAX = 1000;

// ---- between nodes
/** One frame of the replica stream: a full batch of changes or a slice of a snapshot. */
export const LINK_MESSAGE_BYTES_MAX = 4 * MiB;
/** A document larger than the first goes to a joiner in parts of the second: beside it a frame carries half a megabyte of rows. */
export const SNAPSHOT_WHOLE_BYTES_MAX = 2 * MiB;
export const SNAPSHOT_PART_BYTES = 1 * MiB;
/** What one peer may leave unread before it is dropped to catch up anew: some seconds of a fast peer. */
export const LINK_QUEUE_BYTES_MAX = 32 * MiB;
/** Aim of one batch of changes: large enough to amortise a commit, small enough not to stall the loop. */
export const RECORD_BATCH_BYTES = 256 * KiB;
export const RECORD_BATCH_COUNT = 500;
/** Rows and other values of the last batches that stay taken apart for the next ones: what a few steps of STORE wrote, some 1.5 kB each. */
export const RECENT_VALUES_MAX = 4_000;
/** And keys that they change: a flag on many messages is few changes. */
export const RECORD_BATCH_KEYS = 1_000;
/** Queued beyond this, send() asks its caller to wait: enough to fill a fast line for some milliseconds. */
export const LINK_HIGH_WATER_BYTES = 1 * MiB;
/** Small messages of one turn leave in writes of this size: 1 kB writes reach a twentieth of the rate. */
export const LINK_WRITE_BYTES = 256 * KiB;
/** Received and not yet taken by the handler; beyond it reading pauses, and the stream's window fills. */
export const LINK_READ_BUFFER_BYTES = 256 * KiB;
/** Per stream; with a larger one the 4 MiB read buffer of a paused stream overflows and resets it. */
export const STREAM_WINDOW_BYTES_MAX = 2 * MiB;
/** A reason for closing is one line. */
export const CLOSE_REASON_BYTES_MAX = 200;
/** Gossip is a hint; larger changes go by the direct stream only. */
export const GOSSIP_BYTES_MAX = 16 * KiB;
/** Changes that came before what they depend on. More than this from one peer and they are asked for again in order. */
export const RECORDS_WAITING_MAX = 20_000;
/** Why a member refuses a change, as it says: one line of a log and of the status. */
export const REFUSAL_TEXT_MAX = 200;
/** Refusals on their way from members that refuse to those that made the change, of whom each keeps one: many times the members there are. */
export const REFUSALS_PASSED_ON_MAX = 256;
/** Signing and checking cost about 1 ms: hints may take a fifth of a core; beyond it they are dropped. */
export const GOSSIP_PER_SECOND_MAX = 200;
export const GOSSIP_BURST_MAX = 100;
/** One question of a joiner. */
export const REQUEST_BYTES_MAX = 64 * KiB;
/** Its answer may carry the cluster document. */
export const RESPONSE_BYTES_MAX = 4 * MiB;
/** Questions in work at once, over all who ask, and of one connection. */
export const REQUESTS_MAX = 32;
export const REQUESTS_PER_CONNECTION_MAX = 4;
/** A question is read and answered within this, or its stream is closed. */
export const REQUEST_MILLISECONDS_MAX = 20_000;
/** Connections of non-members while an invite is open, and how long one may last. */
export const STRANGERS_MAX = 16;
export const STRANGER_MILLISECONDS_MAX = 30_000;
/** Half-open inbound connections of one source, and of all: a stranger's silent sockets must not shut members out. */
export const INBOUND_PENDING_PER_SOURCE_MAX = 16;
export const INBOUND_PENDING_MAX = 256;
export const INBOUND_PENDING_MILLISECONDS_MAX = 5_000;
/** Slots are 1024 and each node needs at least one; well above any cluster this design is for. */
export const MEMBERS_MAX = 64;
export const INVITES_MAX = 100;
/** OPERATOR.md promises an answer within 40 s. */
export const JOIN_MILLISECONDS_MAX = 20_000;
export const INVITE_TTL_MILLISECONDS_MAX = 30 * 24 * 3600 * 1000;
/** New bodies are refused below it: RocksDB, once it has met a full disk, needs 16 MiB (its write buffer) to recover. */
export const DISK_FREE_BYTES_MIN = 32 * MiB;
/** What RocksDB holds in memory and its log before it moves it into tables. */
export const BODY_WRITE_BUFFER_BYTES = 16 * MiB;
/** A block of a body from this on is moved into a file where it stays; a smaller one is written anew some times. All mail is larger. */
export const BODY_BLOB_BYTES_MIN = 256;
/** A body up to this is packed in place, in some 50 to 150 µs; another thread would take as long to be asked. */
export const BODY_PACKED_AT_ONCE_BYTES_MAX = 16 * KiB;
/** Node's zlib takes no smaller buffer for what it packs or unpacks. */
export const ZLIB_CHUNK_BYTES_MIN = 64;
/** Bodies of one drive asked for at once: fills a line of 150 ms with small mail, and stays cheap for the replicator. */
export const BODY_FETCHES_MAX = 256;
/** And their bytes; a body larger than BODY_MEMORY_BYTES_MAX counts as that, as it passes through in pieces. */
export const BODY_FETCHES_BYTES_MAX = 16 * MiB;
/** Fetches that wait for their turn, over all drives; whoever asks beyond it is told to come back. */
export const BODY_FETCHES_WAITING_MAX = 20_000;
/** Background copying gives a body up for a while after this, so that those that can be had are not kept waiting. */
export const BODY_COPY_MILLISECONDS_MAX = 10_000;
/**
 * Bodies that leave together unasked: some of a group commit. More is cut, as what else the link carries waits behind it.
 * The last body of it may reach beyond by its own size.
 */
export const PUSH_PIECE_BYTES = 512 * KiB;
export const PUSH_PIECE_BODIES_MAX = 500;
/** Sent unasked to one member and not yet said to have come: what fills a fast line of 150 ms, and what the member must hold in memory. */
export const PUSH_UNCONFIRMED_BYTES_MAX = 4 * MiB;
/**
 * Deliveries that come while others are on their way go with them when those are answered, or after so long: as long as a
 * member takes where both are busy. So many go without that: what a group costs is nothing for each of them then. Fewer would
 * cut those of 32 senders in two, of which one waits for the other where answers take long.
 */
export const ROUND_MILLISECONDS_MAX = 40;
export const ROUND_ENOUGH = 64;
/** Where the line alone takes so long, there and back, nobody waits for those on their way: a busy near member seems not so far. */
export const ROUND_FAR_MILLISECONDS = 80;
/**
 * Then so many go at once, and others follow when the bodies of these are here: what came together would otherwise be
 * answered together and come again so, and no node would have anything to do while it is on its way. With fewer the
 * syncs and batches would cost as much as the mail itself.
 */
export const ROUND_FAR_COUNT_MAX = 16;
/** And fewer not sooner than so long after those before: little beside the line. */
export const ROUND_FAR_GATHER_MILLISECONDS = 8;
/** Senders that were answered together and send again at once, on lines as within one site, are back by then. */
export const ROUND_RETURN_MILLISECONDS_MAX = 10;
/** A member that could not take something is sent nothing unasked for the first of these, and twice as long each further time. */
export const PUSH_REST_MILLISECONDS_MIN = 250;
export const PUSH_REST_MILLISECONDS_MAX = 8_000;
/** Bodies known to lie here, durably and right, so that asking again is cheap (about 150 bytes each). */
export const BODIES_KNOWN_MAX = 50_000;
/** Drives that a body names and no member is known to have (yet); the least recently opened is closed beyond it. */
export const BODY_DRIVES_UNLISTED_MAX = 64;
/** Background fetches handed to the body store at once: it needs many to fetch in long runs. */
export const BODY_FETCHES_ASKED_MAX = 512;
/** Bodies that could not be had, of which all members are asked at once whether they have them: well below REQUEST_BYTES_MAX. */
export const CENSUS_BODIES_MAX = 200;
/** Bytes of bodies that a member hands over in one answer: well below RESPONSE_BYTES_MAX, and within REQUEST_MILLISECONDS_MAX on a slow line. */
export const HANDOVER_BYTES_MAX = 1 * MiB;
/** A client's command does not wait longer for a body that is not here. */
export const BODY_FETCH_MILLISECONDS_MAX = 20_000;
/** Nor longer than this where no connected member can have it: what one has is told in the background once a link is up. */
export const BODY_HOPE_MILLISECONDS = 2_000;
/** Who asks for it again within this does not wait: what a client that lists a mailbox does one message after another. */
export const BODY_FORSAKEN_MILLISECONDS = 10_000;
/** Bodies of which that is remembered, some 150 bytes each: far more than die with a member on their way. */
export const BODIES_FORSAKEN_MAX = 10_000;

/** Changes beyond the watermark that one message tells of; the rest follows when the watermark moves. */
export const HOLDS_EXTRA_MAX = 2_000;
/**
 * Claims that some node found too low, until a higher one comes: what two sides of a long split number, 150 bytes each. Those
 * beyond are asked for when half of these are answered. Of who asks for more nothing is noted as had any more until there is room, so that its next life takes none of it as shown.
 */
export const WANTS_MAX = 100_000;
/** And how many of them are told at a time: half a megabyte, far below what a link message may hold. */
export const WANTS_TOLD_MAX = 5_000;
/** UIDs claimed for one message that are remembered: each is a renumbering after a split; older ones no client asks for. */
export const CLAIMS_PER_ENTRY_MAX = 32;
/** Out of touch with some member, a UID that a client names is believed this far above all claims (rule 8): what a node may have numbered alone. */
export const UID_BELIEVED_AHEAD_MAX = 2 ** 26;
/** Mailboxes in which clients named a UID while the disk refused to note it. */
export const NAMED_LATER_MAX = 10_000;
/** And a token this far above the fastest clock heard. */
export const TOKEN_AHEAD_SECONDS_MAX = 24 * 3600;
/** Pairs of stamp and vector kept for a mailbox and a giver (rule 12): the newest, and of older ones fewer and fewer. */
export const TOKEN_PAIRS_MAX = 24;
/** Of those the newest, that are never thinned: what clients that come and go within minutes hold. */
export const TOKEN_PAIRS_NEWEST = 8;
/** A busy mailbox gets one pair in this time: finer than a person's commands, coarser than a burst of mail. */
export const PAIR_MILLISECONDS = 100;
/** Pairs wait for the next batch, or so long, or until there are so many: losing some costs a client a longer answer. */
export const PAIRS_WAIT_MILLISECONDS = 1_000;
export const PAIRS_WAITING_MAX = 5_000;
/** Mailboxes whose highest pair is remembered, some 200 bytes each: SELECT and STATUS ask for it. */
export const PAIR_TOPS_MAX = 10_000;
/** Mailboxes whose pairs are kept read, up to some 5 kB for each giver: each SELECT and each new pair asks for them. */
export const PAIR_LISTS_MAX = 200;
/** Pairs, or watermarks, of one frame: some 200 bytes each. */
export const PAIRS_TOLD_MAX = 2_000;
export const WATERMARKS_TOLD_MAX = 5_000;
/** Transactions whose 250 was seen; a retry that comes after so many others is taken for a new message. */
export const CONFIRMED_MAX = 100_000;
/** Gossip of own news while some member is not linked directly: the sure way is another member's link. */
export const GOSSIP_NEWS_MILLISECONDS = 50;

// ---- check, scrub
/** Documents compared with a member in one question: each may take up to 90 ms to open there. */
export const CHECK_DOCUMENTS_MAX = 32;
/** Records asked of a member at once, to put them back into a damaged log. */
export const CHECK_RECORDS_MAX = 500;
export const CHECK_RECORDS_BYTES_MAX = 2 * MiB;
/** A document fetched whole to mend one here comes in pieces of this: a quarter of what an answer may carry. */
export const CHECK_PIECE_BYTES = 1 * MiB;
/** A document in parts is no larger than this: some hundred times what a full segment takes. */
export const DOCUMENT_BYTES_MAX = 64 * MiB;
/** A member keeps what it saved for the next piece so long, and so many of them. */
export const CHECK_PIECES_MILLISECONDS = 30_000;
export const CHECK_PIECES_DOCUMENTS_MAX = 2;
/** A damaged document that nobody had is asked for again after this: a member may have come back. */
export const HEAL_AGAIN_MILLISECONDS = 5_000;
/** Work of a check in one go, and the pause after it: sessions and peers come between. */
export const CHECK_SLICE_MILLISECONDS = 8;
export const CHECK_PAUSE_MILLISECONDS = 4;
/** Bodies read at once by a check: keeps a disk busy, and leaves most of it to clients. */
export const CHECK_BODIES_MAX = 4;
/** Problems told one by one; of more only the number is told, as the operator must act long before. */
export const CHECK_PROBLEMS_MAX = 1_000;

/** A round of the scrub: a disk's silent faults are found while another member still has its copy. */
export const SCRUB_ROUND_MILLISECONDS = 30 * 24 * 3_600_000;
/** It reads a little each time, so that a disk may sleep or serve in between. */
export const SCRUB_STEP_MILLISECONDS = 10_000;
/** And no faster than this, also on a node with terabytes: a tenth of what a plain disk reads. */
export const SCRUB_BYTES_PER_SECOND_MAX = 8 * MiB;
/** Documents are compared with those of the members more often: a difference there is a bug that goes on. */
export const SCRUB_DOCUMENTS_MILLISECONDS = 24 * 3_600_000;
/** Bodies of one step, as small ones cost by their number. */
export const SCRUB_STEP_BODIES_MAX = 1_000;
/** Bodies that it remembers as missing, some megabytes of memory; the next round finds the others again. */
export const OWED_BODIES_MAX = 10_000;

// ---- backup
/** A pack file is closed above this: small enough to copy elsewhere, large enough that few are there. */
export const BACKUP_PACK_BYTES = 256 * MiB;
/** Pieces in which the state is kept: a change costs one of them, and each costs 76 bytes of its own. */
export const BACKUP_BLOCK_BYTES = 16 * KiB;
/** Bodies read at once: the longest at 50 MiB each are held in memory. */
export const BACKUP_BODIES_AT_ONCE = 4;
/** Messages that restore appends at once, in one commit. */
export const RESTORE_MESSAGES_AT_ONCE = 64;
/** And their bytes. */
export const RESTORE_BYTES_AT_ONCE = 32 * MiB;

// ---- liveness
export const HEARTBEAT_MILLISECONDS = 500;
/** The shortest of so many says how far a member is: some seconds, in which even a busy one is quick for once. */
export const ROUND_TRIPS_REMEMBERED = 16;
/** Two missed heartbeats and some jitter. */
export const SUSPECT_MILLISECONDS = 1_500;
/** Silent this long is down: below the patience of any SMTP or IMAP client, above a long garbage collection or sync. */
export const DOWN_MILLISECONDS = 5_000;
/** SELECT waits this long for what reachable members have (mailbox-consistency.md, rule 8). */
export const CATCH_UP_MILLISECONDS_MAX = 2_000;
/** 250 or APPEND OK is not held back longer for copies; then it is 451 / NO [UNAVAILABLE]. */
export const COPIES_MILLISECONDS_MAX = 30_000;
/** And this long for members that are catching up: most returns are over by then, and mail must not stop for the others. */
export const COPIES_BEHIND_MILLISECONDS_MAX = 5_000;
/** An appended message is shown within this, or the command says that it is not known yet. */
export const NUMBERED_MILLISECONDS_MAX = 10_000;
export const REDIAL_MILLISECONDS_MIN = 100;
export const REDIAL_MILLISECONDS_MAX = 2_000;
/** One attempt to reach an address: TCP, noise and yamux over a line of 500 ms fit in. */
export const DIAL_MILLISECONDS_MAX = 5_000;
/** Rounds of attempts at once: after a silent cut the youngest gets through at once, the older ones wait for TCP. */
export const DIAL_ROUNDS_MAX = 4;
/** Addresses of one peer are tried this far apart, the one that worked last first. */
export const DIAL_STAGGER_MILLISECONDS = 200;
export const PEER_ADDRESSES_MAX = 16;
/** From a connection to an agreed link. */
export const LINK_OPEN_MILLISECONDS_MAX = 5_000;
/** A silent link is kept this long, as a short cut heals within it; then it is closed. */
export const LINK_SILENT_MILLISECONDS_MAX = 20_000;
/** So often in a row a member closes connections at once before it is said to turn this node away: more than while it starts. */
export const TURNED_AWAY_MIN = 5;
/** Strangers that are remembered so as to be told of once, and how far those lines are apart: anybody may knock. */
export const STRANGERS_TOLD_MAX = 16;
export const STRANGERS_TOLD_MILLISECONDS = 60_000;
/** Of a pair the one that does not lead dials so much later, so that mostly one connection is made. */
export const DIAL_FOLLOWER_MILLISECONDS = 50;
/** A knock that came so soon after a link was agreed may have crossed with it; if not, it comes again. */
export const LINK_SETTLE_MILLISECONDS = 1_000;
/** A link that lived shorter than this counts as a failed attempt: the next one waits. */
export const LINK_SHORT_LIVED_MILLISECONDS = 2_000;
/** A connection between members that carries no link is closed after this. */
export const CONNECTION_SPARE_MILLISECONDS_MAX = 10_000;

// ---- documents
/** Entries a segment takes before the next one is begun: 7-90 ms to load, 0.3-4.5 MB in memory. */
export const SEGMENT_ENTRIES_MAX = 4_000;
/**
 * A small mailbox takes smaller ones, as many entries as live in it but not below this: a segment goes when all in it is dead, so
 * that little history outlives its messages.
 */
export const SEGMENT_ENTRIES_MIN = 128;
/** Bucket maps of a segment: applying a change costs by the size of the map it touches. */
export const SEGMENT_BUCKETS = 64;
export const DIRECTORY_BUCKETS = 16;
/** A change with more edits is made as several, so that no node has to apply more of them in one go: 10 to 20 ms. */
export const CHANGE_EDITS_MAX = 256;
/** Changes of a document are applied together up to so many operations, in one turn: some 10 to 20 ms. */
export const SETTLED_OPERATIONS_MAX = 384;
/** Operations of a document that wait to be applied: half a second for who needs it as a whole, and some megabytes. */
export const UNSETTLED_OPERATIONS_MAX = 16_384;
/** Larger changes are replayed alone, smaller ones together up to this: those that go between each other's keys take up to ten times as long together. */
export const LARGE_CHANGE_BYTES = 8_192;
/** Changes of a document that wait to be applied. */
export const UNSETTLED_CHANGES_MAX = 128;
/** Accounts whose document is held folded in memory, some 10 kB each; who is not looked at is read again beyond it. */
export const ACCOUNTS_FOLDED_MAX = 2_000;
/** Documents kept open; the least recently used is written out beyond it. */
export const DOCUMENTS_OPEN_MAX = 256;
/** A snapshot is written after this many changes, so that opening a document replays few. */
export const SNAPSHOT_EVERY_CHANGES = 500;
/**
 * A large change counts as one for each of so many bytes: it is replayed by itself, and some hundred operations of it take
 * 10 to 40 ms, so that a document of nothing else would take seconds to open.
 */
export const SNAPSHOT_CHANGE_BYTES = 1_024;
/** So much in large changes, some hundred messages, and nothing else to do: a snapshot saves who opens it next some tenths of a second. */
export const SNAPSHOT_AT_REST_CHANGES = 100;
/** While changes of a document wait to be applied, its snapshot waits for them until so many count: it would apply them at once. */
export const SNAPSHOT_OVERDUE_CHANGES = 4 * SNAPSHOT_EVERY_CHANGES;
/** Entries that wait to be shown, looked at with one batch after a start: some 10 ms. Fewer than that are looked at by the start itself. */
export const REVIEW_ENTRIES = 500;
export const REVIEW_MILLISECONDS = 20;
/** And not before the node serves: it would take a good part of the start's time. */
export const REVIEW_FIRST_MILLISECONDS = 2_000;

// ---- space that comes back
/** How often it is looked whether something may be forgotten; and while there is more to do: a fifth of one core at worst. */
export const SPACE_MILLISECONDS = 5_000;
export const SPACE_BUSY_MILLISECONDS = 200;
/** A dead body stays for sessions that were not told yet that their message is gone. */
export const RECLAIM_GRACE_MILLISECONDS = 60_000;
/** A dead entry is remembered: a sender that got no answer tries again within this, and its mail must not come back. */
export const TOMBSTONE_MILLISECONDS = 3600_000;
/** But no more of them than there are live entries, or than this: some 400 bytes each. */
export const TOMBSTONES_MIN = 500;
/** Dead entries in one step: some milliseconds of work. */
export const BURY_COUNT = 500;
/** Entries of a removed user expunged in one step: as much. */
export const ESTATE_ENTRIES = 500;
/** Ranges of blocks cleared at once, at some 0.25 ms each. */
export const RECLAIM_RANGES_COUNT = 1_000;
/** A member that is not heard for so long is not waited for: it gets the documents as a whole when it returns. */
export const AWAY_MILLISECONDS_MAX = 7 * 24 * 3600_000;
/** Nor one that is silent for a minute while the log has grown to this, some 400 MB. */
export const LOG_CHANGES_KEPT_MAX = 1_000_000;
/** The log is not cut before it is this large, or as large as all entries are. */
export const LOG_BYTES_KEPT_MIN = 128 * KiB;
/** And then to this an origin, whichever is less: a member that lost a moment in a crash needs no snapshot. */
export const LOG_SLACK_CHANGES = 100;
export const LOG_SLACK_BYTES = 32 * KiB;
/** Documents written anew in one batch of cutting the log: 7-90 ms each to load and save, in which all others wait. */
export const SAVES_A_BATCH = 1;
/** Unnamed bodies are looked for so often; one that two looks found is cleared. */
export const SWEEP_MILLISECONDS = 3600_000;
export const SWEEP_FIRST_MILLISECONDS = 60_000;
/** RocksDB rewrites its files when so much of them is garbage, and not for less than this. */
export const BODY_GARBAGE_PERCENT_MAX = 25;
export const BODY_GARBAGE_BYTES_MIN = 1 * MiB;
/** And rests so many times as long as it took: a few per cent of one core and of the disk. */
export const COMPACTION_PAUSE_FACTOR = 20;
export const COMPACTION_PAUSE_MILLISECONDS_MIN = 10_000;

// ---- accounts and mailboxes
/** Messages of mailboxes that nobody looks at now and that stay in memory, some 400 bytes each: SELECT of one takes no time. */
export const VIEWS_IDLE_MESSAGES_MAX = 200_000;
export const MAILBOXES_MAX = 10_000;
/** Names subscribed to, of mailboxes that are there or were once: all of them, twice. */
export const SUBSCRIPTIONS_MAX = 2 * MAILBOXES_MAX;
export const MAILBOX_NAME_BYTES_MAX = 1_000;
export const MAILBOX_DEPTH_MAX = 32;
/** Messages that one step of STORE or EXPUNGE changes, at some 20 µs each: others wait no longer than that. Each step is a sync. */
export const STORE_BATCH_COUNT = 500;
/** A command waits so often for what others do meanwhile to its messages, to show it with what it did itself: they may go on and on. */
export const SEEN_TIMES_MAX = 5;
/** The same of MOVE, at some 70 µs each: each step is two records or more, and a sync. */
export const MOVE_BATCH_COUNT = 500;
/** Messages of such a command whose rows are read to see in which segments they lie: enough for 100,000, and some 10 ms. */
export const STORE_PLACES_ASKED_MAX = 1_000;
/** IMAP keywords of one message, and the length of one. */
export const KEYWORDS_MAX = 64;
export const KEYWORD_BYTES_MAX = 128;
/** Annotations (RFC 5464) lie in the account document, which each node holds whole: enough for every client's settings. */
export const METADATA_ENTRIES_MAX = 1_000;
export const METADATA_BYTES_MAX = 1 * MiB;
/** One value; below what a literal may hold (IMAP_LITERAL_BYTES_MAX). */
export const METADATA_VALUE_BYTES_MAX = 32 * KiB;
export const METADATA_NAME_BYTES_MAX = 255;
export const PASSWORD_BYTES_MAX = 1_024;

// ---- clients
export const SMTP_CONNECTIONS_MAX = 1_000;
export const SMTP_CONNECTIONS_PER_SOURCE_MAX = 100;
/** RFC 5321 §4.5.3.2.7: a server waits at least 5 minutes for the next command. */
export const SMTP_IDLE_MILLISECONDS_MAX = 5 * 60_000;
/** A command line: RFC 4954 §4 asks for 12,288 octets in an AUTH exchange. */
export const SMTP_LINE_BYTES_MAX = 16 * KiB;
/** Replies that wait to go out together: as much as a socket takes before it says that it is full. */
export const SMTP_REPLIES_BYTES_MAX = 16 * KiB;
/** Refused commands of a connection between two accepted messages: some wrong recipients, no dictionary of them. */
export const SMTP_ERRORS_MAX = 100;
/** RFC 5321 §6.3: a message with more has run in a circle. */
export const RECEIVED_FIELDS_MAX = 100;
export const IMAP_CONNECTIONS_MAX = 5_000;
export const IMAP_CONNECTIONS_PER_SOURCE_MAX = 2_000;
/** A command line without its literals (RFC 9051 asks for 8,192 at least; long UID sets need more). */
export const IMAP_LINE_BYTES_MAX = 64 * KiB;
/** Literals of one command other than APPEND's message. */
export const IMAP_LITERAL_BYTES_MAX = 64 * KiB;
/** Before login a stranger has little to say. */
export const IMAP_LINE_BEFORE_LOGIN_BYTES_MAX = 8 * KiB;
/** What waits to be read by a client before we stop producing: with what is under way then, less than 1 MB a client. */
export const IMAP_OUTPUT_BYTES_MAX = 512 * KiB;
/** Connections with COMPRESS (RFC 4978) of one listener: each holds some 100 kB of zlib's memory. Others go on without. */
export const IMAP_COMPRESSED_MAX = 2_000;
/** Our side deflates with a window of 8 kB and small tables, 48 kB in all: some percent more octets than with 256 kB. */
export const IMAP_DEFLATE_WINDOW_BITS = 13;
export const IMAP_DEFLATE_MEMORY_LEVEL = 5;
/** Mail deflates to a tenth, a flood of one command to a thousandth: beyond this ratio … */
export const IMAP_INFLATE_RATIO_MAX = 50;
/** … so much may come out: one large attachment of zeros, but no endless bomb. */
export const IMAP_INFLATE_EXCESS_BYTES_MAX = 64 * MiB;
/** RFC 9051 §5.4: at least 30 minutes. */
export const IMAP_IDLE_MILLISECONDS_MAX = 31 * 60_000;
export const IMAP_LOGIN_MILLISECONDS_MAX = 60_000;
/** A client that takes nothing of what waits for it this long is cut: more than any network hiccup. */
export const IMAP_STALL_MILLISECONDS_MAX = 5 * 60_000;
/** Pipelined commands that wait for the one that runs; more stays in the kernel's buffers. Holds the longest line. */
export const IMAP_INPUT_BYTES_MAX = 128 * KiB;
/** A refused literal that the client sends all the same (RFC 7888 §4) is read and dropped up to here, then it is BYE. */
export const IMAP_LITERAL_SKIP_BYTES_MAX = 256 * MiB;
/** Commands in a row that were no IMAP: a broken client, or another protocol. */
export const IMAP_ERRORS_MAX = 50;
/** Wrong passwords of one connection; the limit per source is LOGIN_FAILURES_PER_MINUTE_MAX. */
export const IMAP_LOGIN_FAILURES_MAX = 5;
/** Messages of one APPEND (RFC 3502): their references wait in memory for the end of the command. */
export const IMAP_APPEND_MESSAGES_MAX = 10_000;
/** Messages that one FETCH reads ahead: hides the latency of the store, which reads what it is asked for at once together; their bytes are bounded below. */
export const IMAP_READ_AHEAD_COUNT = 64;
export const IMAP_READ_AHEAD_BYTES = 1 * MiB;
/** Sections that one FETCH asks for: more than any message that people send has parts. */
export const IMAP_FETCH_SECTIONS_MAX = 256;
/** Patterns of one LIST (RFC 5258), each matched with every mailbox. */
export const IMAP_PATTERNS_MAX = 100;
/** Messages that one command works on (RFC 9738): what it holds of each is about 100 bytes. */
export const IMAP_COMMAND_MESSAGES_MAX = 1_000_000;
/** A long command says so often that it is at work: well within the patience of clients and of address translators. */
export const IMAP_PROGRESS_MILLISECONDS = 10_000;
/** Mailboxes that one session watches (RFC 5465): each is looked at whenever it changes. */
export const IMAP_NOTIFY_MAILBOXES_MAX = 1_000;
/** Groups of one NOTIFY, each compared with every mailbox. */
export const IMAP_NOTIFY_GROUPS_MAX = 50;
export const SEARCH_DEPTH_MAX = 64;
export const SEARCH_KEYS_MAX = 1_000;
/** Criteria of one SORT: there are nine, and REVERSE. */
export const SORT_CRITERIA_MAX = 20;
/** What SORT holds of values and their order: some 50 bytes a message and criterion, so ten mailboxes of 10,000 messages. */
export const SORT_COLUMNS_BYTES_MAX = 16 * MiB;
/** Orders that SORT answered in: 8 bytes a message, so one of each of some dozen large mailboxes. */
export const SORT_ORDERS_BYTES_MAX = 4 * MiB;
/** Answers of THREAD that are held: some 20 bytes a message, so those of a few large mailboxes. */
export const THREADS_BYTES_MAX = 8 * MiB;
/** Steps up the threads that one THREAD makes to find loops, some tenths of a second; links beyond it are left out. */
export const THREAD_STEPS_MAX = 50_000_000;
/** What searches found in messages too large for the index: some 300 bytes for each message and text, so a few thousand. */
export const SEARCH_ANSWERS_BYTES_MAX = 1 * MiB;
/** Text of one message that the index keeps; that of a larger one is read from its body each time. */
export const SEARCH_TEXT_BYTES_MAX = 1 * MiB;
/** Which trigrams a text has: beyond this size no text in any language has noticeably more. */
export const SEARCH_SIGNATURE_BYTES_MAX = 32 * KiB;
/** The index of one account: some hundred thousand messages. What does not fit is read each time. */
export const SEARCH_FILE_BYTES_MAX = 4096 * MiB;
/** The index grows only while the disk has more room than this: mail needs it more. */
export const SEARCH_DISK_FREE_BYTES_MIN = 512 * MiB;
/** Signatures held in memory, of the mailbox that was searched last: some 120,000 mails of 4 kB. */
export const SEARCH_MEMORY_BYTES_MAX = 64 * MiB;
/** Headers held in memory: of some 15,000 messages. */
export const HEADERS_MEMORY_BYTES_MAX = 12 * MiB;
/** Accounts whose index is open: each holds two file handles and what waits to be written. */
export const SEARCH_FILES_OPEN_MAX = 32;
/** What waits to be written to one of these: enough that few pages are written twice. */
export const SEARCH_WAITING_BYTES_MAX = 256 * KiB;
/** Messages that wait to be read into the index; beyond it they are found when somebody looks at their account. */
export const SEARCH_WAITING_MAX = 50_000;
/** Read into the index at once: some milliseconds of its thread, and twice as much memory. */
export const SEARCH_BATCH_MAX = 32;
export const SEARCH_BATCH_BYTES_MAX = 1 * MiB;
/** An account that is looked at is compared with its index no more often than this. */
export const SEARCH_RECONCILE_MILLISECONDS = 10 * 60_000;
/** Memory of the thread of the index: a message of 50 MB that is all text fits. */
export const SEARCH_HEAP_MEBIBYTES_MAX = 512;
/** Wrong passwords from one address (or /64) a minute; then it waits, others do not. */
export const LOGIN_FAILURES_PER_MINUTE_MAX = 20;
/** On one account from anywhere: five sources' worth, so that one alone cannot lock it. Where its user was, he stays welcome. */
export const LOGIN_FAILURES_PER_ACCOUNT_MINUTE_MAX = 100;
export const LOGIN_CACHE_ENTRIES_MAX = 10_000;
export const LOGIN_CACHE_MILLISECONDS_MAX = 5 * 60_000;
/** argon2 runs at once: each holds 19 MiB and a thread. */
export const LOGIN_HASHES_MAX = 4;
/** Logins that wait for a hash: all, and of one source. At 4 x 18 a second the last one waits some 15 s. */
export const LOGIN_WAITING_MAX = 1_000;
export const LOGIN_WAITING_PER_SOURCE_MAX = 100;
/** Sources whose failures are remembered for a minute. */
export const LOGIN_SOURCES_MAX = 10_000;
/** Accounts whose failures are remembered for a minute. */
export const LOGIN_ACCOUNTS_MAX = 10_000;
/** Pairs of source and account that logged in: not locked out by guesses from elsewhere. */
export const LOGIN_TRUSTED_MAX = 50_000;
/** MIME nesting; deeper parts are one opaque part. */
export const MIME_DEPTH_MAX = 100;
export const MIME_PARTS_MAX = 10_000;
/** What is interpreted of one header, and of all headers of a message; the rest is only passed over. */
export const MIME_HEADER_BYTES_MAX = 1 * MiB;
export const MIME_HEADERS_BYTES_MAX = 8 * MiB;
/** Two bytes of header can be one address, a hundred times as large in memory: bounded over the whole message. */
export const MIME_ADDRESSES_MAX = 20_000;
/** Parameters of one Content-Type or Content-Disposition. */
export const MIME_PARAMETERS_MAX = 1_000;
/** Message-IDs of one References field, the last ones: a thread longer than that is one all the same. */
export const MIME_REFERENCES_MAX = 500;
/** Decoded text of one message that SEARCH looks through: more than anyone writes, less than hurts. */
export const MIME_TEXT_CHARACTERS_MAX = 8 * MiB;
/** A line of quoted-printable that is held to be decoded; a longer one is cut. */
export const MIME_DECODE_CARRY_BYTES_MAX = 64 * KiB;
/** RFC 8970 §3.3: previews have at most 200 characters, made of the start of the text. */
export const PREVIEW_CHARACTERS_MAX = 200;
export const PREVIEW_SOURCE_BYTES_MAX = 32 * KiB;
/** Envelopes and structures as IMAP sends them, kept in memory: some 100,000, the largest mailbox that is listed as a whole. */
export const STRUCTURES_MEMORY_BYTES_MAX = 72 * MiB;
/** Trees of parts, taken apart: for messages that are being read. */
export const TREES_MEMORY_BYTES_MAX = 4 * MiB;
/** What SORT and THREAD compare, kept in memory: some 20,000 messages. */
export const ORDERINGS_MEMORY_BYTES_MAX = 12 * MiB;
/** Parsed messages kept on disk, 1 to 4 kB each; the oldest go and are parsed again when asked for. 72 bytes of memory each. */
export const STRUCTURES_FILE_ROWS_MAX = 500_000;
/** Files that these are spread over by age: the oldest of them go together. */
export const STRUCTURES_SEGMENTS_MAX = 8;
/** A header up to this is kept beside the structure; a larger one is read from the body. */
export const STRUCTURE_HEADER_BYTES_MAX = 16 * KiB;
/** Messages that came and wait to be parsed and indexed: some 4,000 of 4 kB, what a busy node takes in within ten seconds. */
export const PRIMED_MEMORY_BYTES_MAX = 16 * MiB;
/** A structure larger than this, with its header (thousands of parts), is not kept: rare, and it would push out many others. */
export const STRUCTURE_BYTES_MAX = 256 * KiB;
/** What waits to be written to the structure cache: some 200 kB at once, so that few pages are written twice. */
export const STRUCTURES_PENDING_MAX = 192;
/** And so long where little mail comes: each write fills a page of the disk or more, however small it is. */
export const STRUCTURES_PENDING_MILLISECONDS = 30_000;
/** Bodies read at once to be parsed: small ones whole, large ones as a stream. */
export const STRUCTURE_PARSES_MAX = 8;

// ---- certificate
/** How soon a new certificate in the operator's files is noticed. */
export const TLS_RELOAD_MILLISECONDS = 5_000;

// ---- control
export const CONTROL_MESSAGE_BYTES_MAX = 1 * MiB;
/** Commands of one operator at once; each is a process of its own. */
export const CONTROL_CONNECTIONS_MAX = 64;
export const HTTP_CONNECTIONS_MAX = 500;
/** Browsers send some 2 kB of headers; a stranger may send no more than this. */
export const HTTP_HEADER_BYTES_MAX = 16 * KiB;
/** A request is a few lines: whoever takes longer holds a connection for nothing. */
export const HTTP_REQUEST_MILLISECONDS_MAX = 10_000;

// ---- the store's journals
/** A state.db is looked through at the start up to this size, at some 300 MB a second; beyond it damage is met when it is read. */
export const STORE_CHECKED_BYTES_MAX = 128 * MiB;
/** Carried over into the database from this on: some thousand messages, so that each page is written once for many rows; held in memory meanwhile. */
export const STORE_JOURNAL_CARRY_BYTES = 8 * MiB;
/** A disk that is full or too slow to carry over: nothing more is taken. Twice this lies in memory at most. */
export const STORE_JOURNAL_BYTES_MAX = 64 * MiB;
/** Free pages of the database (4 KiB) are given back to the disk where they are so many, and this share of it: below they are used again soon. */
export const STORE_FREE_PAGES_MIN = 1_024;
export const STORE_FREE_PERCENT_MAX = 25;
/** So many after each journal that is carried over: a fifth of a second beside what the carrying takes. */
export const STORE_FREED_PAGES_MAX = 8_000;
/** A file of an earlier version is written anew for it, if what is in use is no more: some seconds, in which commits go on. */
export const STORE_REWRITE_BYTES_MAX = 256 * MiB;
