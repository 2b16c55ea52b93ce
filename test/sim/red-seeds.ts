/**
 * Runs that were red once, with what was wrong. They stay: `npm test` runs each. Steps stand here as they were, so that a
 * change of the plans does not make another run of them.
 */
import type { ConfigName } from "../../sync/sim/plan.ts";

export interface RedSeed {
	readonly config: ConfigName;
	readonly seed: number;
	readonly steps: string;
	readonly was: string;
}

export const RED_SEEDS: readonly RedSeed[] = [
	{
		config: "failover",
		seed: 101,
		steps:
			"crash:44331845 deliver:24540908 leave:30953006 act:29009334 start:17449987 visit:65883614",
		was: "a node that had just started answered SELECT before it had met anyone, and did not believe the UID that the client named (rule 8)",
	},
	{
		config: "quiet",
		seed: 2,
		steps: "act:45006385 visit:8238841 act:30195075 deliver:19431453",
		was: "a token that one node gave was compared with the stamps of another (rule 13)",
	},
	{
		config: "restore",
		seed: 108,
		steps:
			"act:65822945 push:44337299 backup:16664832 restore:36746035 visit:5894380",
		was: "a new life that had no slots yet was asked for a pair by a member, and closed the link",
	},
	{
		config: "hostile",
		seed: 5000,
		steps:
			"deliver:27112812 join:59235375 leave:41790986 full:2381035 deliver:34593866 push:2287325",
		was: "a snapshot that met a full disk counted as nonsense from its sender; and mail that came meanwhile was never numbered",
	},
	{
		config: "loss",
		seed: 7021,
		steps:
			"act:37887966 lose:27358389 visit:28338249 lose:38578786 crash:35274015 act:38512592 full:44901362 visit:13054915",
		was: "a UID that a client named while the disk was full was forgotten, and what came later appeared under it (rule 8)",
	},
	{
		config: "hostile",
		seed: 7033,
		steps:
			"start:63627372 remove:33117326 deliver:35187085 act:18912025 visit:40966031 push:66047353 push:3155728 push:40511240 visit:31777199 deliver:9137428 visit:2408187 status:22682887 deliver:1774757 deliver:38889696 leave:37860188 leave:21460913 push:4854112 start:11740989 visit:22687346 split:63413444 deliver:56971006 deliver:23411694 visit:61635452 visit:33362047 retry:44580363 start:33342155 full:54917780 leave:34820693 visit:64801076 visit:28725003 deliver:7970903 act:29594616 deliver:61356006 clock:18699134 slow:7241604 retry:43634952 push:33503494 act:65751014 visit:58056028 push:66856470 visit:22776494 start:65213751 visit:32151889 deliver:55508605 act:45679464 act:33004802 visit:42988360 act:26892938 act:36020723 deliver:23017829 act:25785084 act:41499125 visit:48815269 deliver:2081303 visit:19220701 remove:37118437 act:32602627 leave:27375926 push:52050468 act:8290834 act:50589538 leave:46402869 deliver:18594121 rename:30647628 visit:24174753 retry:15011651 slowDisk:7075835 join:31553605 heal:24487542 deliver:66159166 deliver:58411810 act:57918868 push:4986594 act:24058911 visit:66206895 deliver:50541475 act:49824218 leave:51898496 deliver:39186365 split:33964560 push:9852202 deliver:35762445 visit:52434569 push:25515235 pause:4051929 deliver:18921408 deliver:22898473 deliver:2586004 act:59207064 push:23956561 push:66145194 act:4771278 act:24397381 leave:23063945 visit:57719275 act:50797348 deliver:31623102 deliver:30734084 visit:3023743 visit:10759656 deliver:59076977 push:8856777 subscribe:4474807 visit:26244435 create:48667325 deliver:40106059 visit:34469657 slowDisk:55496012 push:44699759 crash:28639804 rename:16765065 deliver:16368288 visit:41077607 start:45139864 visit:43091556 act:66707507 create:28173273 act:55783522 deliver:29169267 deliver:43755742 push:63509279 visit:22474123 push:7397838 act:41383390 deliver:4036210 deliver:3020315 act:14488552 start:1034697 pause:41231264 leave:55239955 deliver:62630508 act:27267487 visit:33550361 push:23677096 deliver:41398884 deliver:31679296 push:51233079 visit:32445596 push:30204172 start:61538411 act:3658870 push:3522449 deliver:21056161 deliver:55319457 deliver:39127644 push:66459890 deliver:5896097 start:31039025 triangle:52850870 visit:13360400",
		was: "a member that got the documents as a whole lacked the flags that a message had before it was moved (rule 17)",
	},
	{
		config: "loss",
		seed: 2,
		steps:
			"act:66945974 deliver:49000182 push:60410407 full:50777835 visit:45158154 split:7283648",
		was: "a node whose disk was full told a HIGHESTMODSEQ below the token of a client, which kept its token and never asked again for what this node did not show",
	},
	{
		config: "loss",
		seed: 11,
		steps:
			"split:30678884 act:36355698 crash:22485735 split:16341209 lose:12425087 deliver:43857699 crash:17051083",
		was: "a member that crashed soon after it met another did not know when that was removed that it had ever been there (rule 9)",
	},
	{
		config: "loss",
		seed: 20000,
		steps:
			"split:8964811 burst:25549915 join:56394012 act:50902758 deliver:64282629 crash:9275267 start:32752825 push:11998532 visit:51229453 deliver:8555906 push:30783645 triangle:35827974",
		was: "how long a node waits for copies was measured by another clock than its own (a fault of the checker)",
	},
	{
		config: "lone",
		seed: 52003,
		steps: "backup:6661912 restore:32353864 pipeline:38283471 restore:12805057",
		was: "a copy that was put back twice within a moment leapt to below what a burst had got in between (rule 9)",
	},
	{
		config: "loss",
		seed: 50002,
		steps:
			"join:29466843 act:35800886 split:47769845 pipeline:27416440 push:4949556 lose:2850266 visit:41445988",
		was: "a program whose node was lost, with the move that it had seen there, counted as one that never moved (a fault of the checker)",
	},
	{
		config: "splits",
		seed: 5013,
		steps:
			"act:6263367 act:25751899 rename:11809667 split:64766218 act:8263277 triangle:23492095 act:51895345 act:51082071 pipeline:43974504",
		was: "a flag that came in one batch after the expunge of its message counted as set (a fault of the checker)",
	},
	{
		config: "failover",
		seed: 1009,
		steps:
			"crash:503241 deliver:11989133 start:30314809 act:25871483 retry:20559246",
		was: "an entry that was lost before it was durable, and came again with another body, was not found (a fault of the checker)",
	},
	{
		config: "restore",
		seed: 52003,
		steps:
			"visit:60841636 push:57931396 push:54489796 heal:43156977 push:22028874 deliver:1936313 deliver:14879636 act:25293633 oneWay:17835546 deliver:62832521 pipeline:41288383 leave:43171382 deliver:2158539 visit:32442193 triangle:2916865 backup:6661912 burst:38452624 act:37912416 push:48651450 act:55482042 visit:11433940 act:26479003 oneWay:12591494 deliver:56351097 remove:3577533 remove:27549737 visit:53489069 visit:25914904 deliver:66283071 act:9378585 act:2514624 act:7841431 push:30272005 deliver:54041505 restore:32353864 act:33434536 visit:38283471 backup:12805057 push:20705997 act:51219963 pipeline:23430246 push:4107884 start:18843616 visit:55703700 push:63145134 leave:47649395 push:51147802 act:48985605 act:56892730 visit:26757450 deliver:51479946 visit:41753106 deliver:16718755 deliver:51668706 heal:11150642 deliver:39516749 deliver:52648371 pipeline:25302021 pipeline:12869812 visit:50339739 slow:18448142 pipeline:55115613 push:25664345 deliver:36158940 backup:4705134 push:17967372 deliver:62663575 deliver:2913115 act:35344719 pipeline:26460535 leave:45776627 start:19792509 oneWay:44593852 leave:39131403 deliver:60894167 pipeline:54174501 act:18553892 leave:64270427 act:8773771 act:3630343 backup:4282240 slow:65300879 deliver:36894547 push:23003565 deliver:11480802 act:63379097 slow:35227028 act:22416594 visit:45140372 visit:22820868 act:23887844 slow:34245284 restore:903077 clock:29286852 create:43696653 act:36599824 leave:25838494 retry:6156339 slow:62692141 act:37274610 push:31465879 act:59360024 start:58470453 retry:44467368 act:14332896 push:48926217 start:59212112 burst:16840957 act:1129447 visit:37102632 join:12983052 start:52018941 visit:49335571 visit:18534146 act:7774755 visit:24174630 act:17067721 visit:35126376 start:53863331 deliver:4693808 act:16700712 visit:58928906 restore:10917535 restore:36949281 slow:36152638 deliver:19399586 visit:54941669 push:22448988 push:53824341 act:32777335 split:11623679 heal:25787732 join:45058194 push:26220175 act:407484 push:19093602 act:11925453 burst:8715284 visit:60552398 visit:44591189 deliver:65578827 push:5795580 act:42093402 restore:13841908 act:38583042 visit:48148331 burst:27339994 split:23743701 deliver:1632896 push:28089549",
		was: "a body that went with the disks of all that had it kept the cluster from ever being whole; and a member that all others were put back to before it joined was waited for",
	},
	{
		config: "loss",
		seed: 91004,
		steps:
			"deliver:24293396 act:20538286 stop:17042097 visit:187861 split:6427033 deliver:4351790 visit:59834130 push:42211569 split:37658075 slowDisk:25116163 burst:58601718 leave:7138067 visit:29597355 retry:59431312 deliver:3929992 push:1082419 act:19564762 rename:46058748 triangle:52437086 triangle:1477976 push:40425977 deliver:29242639 push:46996066 visit:51904805 act:66177869 deliver:7088449 pipeline:59057385",
		was: "stamps followed the clock by whole seconds: who went to another side within one was told a lower one there (rule 10)",
	},
	{
		config: "members",
		seed: 300005,
		steps:
			"crash:12052802 crash:11661791 visit:49961513 start:34143050 deliver:8835414 act:11624782 visit:66049316 act:9030254 split:19239834 leave:66993766 visit:18366938 act:614025 join:8973583 deliver:23027164 visit:66782147 visit:62072094 burst:11178280 expel:12944880 push:33806636 pipeline:21817241 act:60048860 visit:5134207",
		was: "a client was sent to a member that only a removed one knew, and lost sight of messages when it came back (a fault of the simulation: nobody names such a member to clients)",
	},
	{
		config: "loss",
		seed: 310002,
		steps:
			"crash:49597215 visit:66857388 lose:3811833 visit:64944127 visit:37828303 full:35213219 pipeline:61799791 heal:66975824 pipeline:33961517 clock:19350876 pause:2266519 triangle:1835923 deliver:10575728 split:32548871",
		was: "a node that stood still when a member's disk got room again did not wait for that member's copies (a fault of the checker)",
	},
	{
		config: "members",
		seed: 320002,
		steps:
			"expel:44180708 split:58913716 join:14123981 act:4019279 stop:3990041",
		was: "a node joined through one that was just being stopped, and was waited for before that was started again (a fault of the simulation)",
	},
	{
		config: "hostile",
		seed: 340002,
		steps:
			"split:56534673 start:41206489 pipeline:53988288 burst:26485800 stop:14790226 split:19917984 crash:139938 slow:38013947 full:17238083 act:23245427",
		was: "a UID that a client named while the disk was full was noted only when somebody looked at the mailbox again, after messages below it had come (rule 8)",
	},
	{
		config: "hostile",
		seed: 785708682,
		steps:
			"pause:306584 push:49514958 act:54511380 deliver:19748240 split:23802400 visit:57342926 split:39629468 deliver:38200059 leave:24449541 push:63969257 burst:3231897 heal:2387460 leave:58638239 act:7012782 push:9637891 act:64539295 pipeline:56863636 full:55944660",
		was: "a node with a full disk told a client that what had come and could not be shown was gone (rule 15)",
	},
	{
		config: "restore",
		seed: 350018,
		steps:
			"deliver:64592859 act:42810763 act:52259933 stop:66696994 crash:65034490 full:42573091 visit:11342558 backup:2431975 restore:55614394",
		was: "a client that goes by UIDs alone was at a node with a full disk, which was put back before it had room: nobody knows what was told there (README: it has to load the mailbox once more)",
	},
	{
		config: "members",
		seed: 400006,
		steps:
			"stop:62343070 split:2625133 expel:58190195 join:757247 act:64788082",
		was: "who admitted a node was put away before it had sent it the documents: the others knew the new member, which waited for that one for ever",
	},
	{
		config: "members",
		seed: 931024,
		steps:
			"push:40472759 pipeline:17317531 expel:23164427 deliver:36515907 deliver:3478075 visit:62386093 join:53854523 act:14733229 act:45818791 act:56954381 oneWay:17302069 act:40077511 leave:26342317 leave:39153885 start:37513725 act:27168115 split:38200911 oneWay:7883995 act:23484775 push:19197039 deliver:57488389 join:63864457 visit:10806301 push:31143015 act:29748224 deliver:33489293 push:5149939 stop:52726932 act:40478546 deliver:29120171 act:54424173 triangle:61550026 act:65327040 act:34409757 visit:14133775 split:24319191 start:2002289 push:42152050 join:9975073 expel:24746306 act:24519499 expel:16886238 leave:64220535 act:1011931",
		was: "an operator of the simulation gave up when the member that should remove another one said that it is catching up",
	},
	{
		config: "restore",
		seed: 910416,
		steps:
			"act:62358909 crash:63010082 split:55575356 act:35430192 push:41708346 join:25104806 deliver:22793469 deliver:36228929 act:40755190 leave:13786477 pipeline:62635728 deliver:20742819 pipeline:3864316 remove:6047300 act:13545805 crash:16030282 visit:1104384 deliver:46629241 act:8451193 deliver:35035226 visit:22106973 push:13078324 start:39289359 act:6331532 visit:28612669 heal:3546353 deliver:56214755 start:1645354 start:20523155 act:44731609 pause:2189478 split:10809897 act:51767880 act:21394746 backup:50710695 heal:44311610 push:61296268 subscribe:11847373 act:24082341 act:61859480 visit:33854665 visit:41903577 heal:59552864 leave:51969031 clock:55612313 push:62817364 burst:60808115 act:54182197 deliver:63098810 deliver:34974043 retry:7062186 pipeline:38360943 visit:11488929 act:60258126 push:40393930 split:16861483 pause:20087098 deliver:16106084 restore:57127813 act:54812726 crash:3921774 deliver:28310622 visit:56719406 split:20671770 restore:2310730 push:19996148 act:44043367 split:54437446 join:46126903 act:58575407 crash:1301843 start:2222882",
		was: "a node that was admitted and did not hear that was put away, and nobody removed it: a body that was lost counted as one that it may have (a fault of the simulation)",
	},
	{
		config: "hostile",
		seed: 910521,
		steps:
			"stop:21463586 retry:31108463 deliver:57606291 visit:4362540 act:5577899 deliver:59057426 act:52764338 visit:54637736 leave:31730940 join:109230 burst:24884029 pause:36857573 burst:51139380 stop:1481329 crash:24154677 pipeline:64304843 visit:56464235 split:56742423 pipeline:20533602 visit:41445443 start:26452799 pause:39502732",
		was: "a node that stood still while another one joined did not wait for that one's copies: it never heard that it has the documents (a fault of the checker)",
	},
	{
		config: "loss",
		seed: 910507,
		steps:
			"visit:34012252 clock:16982906 start:33007123 act:32704526 start:33514623 push:64754717 leave:17371915 act:47760886 visit:5444300 start:26352376 deliver:50206113 push:49861188 full:57261211 act:49644256 triangle:43026495 oneWay:65129496 burst:43235415 reset:50528224 deliver:28126998 deliver:103531 push:43397483 heal:43700332 visit:53543378 visit:57891510 act:21445642 visit:16509486 act:10334099 start:65715213 push:3041329 act:42114917 deliver:31513349 act:30487487 oneWay:57529440 retry:21507527 oneWay:15801564 leave:49309181 leave:3486613 crash:37215373 burst:57721936 leave:9372897 slowDisk:61308862 deliver:49541551 clock:60059777 push:51213320 join:1128304 visit:6118787 deliver:25474376 visit:36684923 deliver:10526239 visit:40921553 pipeline:12583882 split:36686984 triangle:27924961 deliver:20733961 visit:57490697 split:26933997 burst:12129921 visit:19417696 burst:20007844 remove:60845347 split:3217843",
		was: "a wait for copies that ended when its time was over counted as too short by the rounding of a clock that drifts (a fault of the checker)",
	},
	{
		config: "restore",
		seed: 62463702,
		steps:
			"act:43026630 pipeline:52282610 visit:16101008 slow:65630450 backup:2047120 crash:5746638 restore:4643927 start:64020198 act:7388011 visit:35307522 restore:65935112",
		was: "a new life said that it had a message before it said that the UID was too low for it, was put back again meanwhile, and the next life took as shown what no client had been shown (rule 9)",
	},
	{
		config: "members",
		seed: 770005,
		steps:
			"burst:45813340 burst:5137965 join:7167681 deliver:38903746 deliver:59430951 crash:14492600 burst:30843998 burst:57796875 split:23639897 deliver:25453176 start:48613827 burst:51861143 act:57657423 deliver:52815904 burst:17858886 oneWay:12356599 crash:37148326 burst:23648470 visit:29788832 visit:52039072 act:537419 deliver:48627403 pipeline:31680883 burst:35715362 deliver:38616538 split:42237284 leave:45532073 deliver:59740187 heal:31400683 burst:2955629 deliver:18059823 deliver:65999514 pipeline:6671091 deliver:58612591 retry:27368810",
		was: "a delivery that was tried on two nodes lay in two segments, and which of its bodies counted was for each node the one that it heard of last",
	},
	{
		config: "hostile",
		seed: 780007,
		steps:
			"split:5860268 burst:37881150 heal:7111621 stop:7826695 act:20111202 split:5394577",
		was: "nobody was in reach when an APPEND asked for copies; a member that came while its UID was waited for was not asked, and it was confirmed with one copy",
	},
	{
		config: "hostile",
		seed: 5004,
		steps:
			"split:36668757 crash:14730606 crash:1559920 act:44700588 join:13373548 visit:56828466 act:66123922 act:36101102 push:61437380 burst:13942329 split:53577450 visit:8453059 deliver:13846914 visit:59063056 split:7989177 burst:17281638 act:14412876",
		was: "a simulated program that knew 18 messages took a lower HIGHESTMODSEQ for nothing new where EXISTS was 1",
	},
];
