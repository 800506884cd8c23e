"""The OSC protocol of `hxmx run` in words, from which the documentation is made: a message, two spaces, its meaning."""

HEARD = """\
/input f…  An event happened: all features in order, or those not masked; one constant in training may be left out
/input pitch 0  Of a model of notes: the player's note of this pitch ends ([velocity 0](#velocity-0))
/sample  Play one event from the present state, its predicted time from now
/start, /pause  Play alone, in the modes that do, or end a pause; hear, but play nothing more
/mode NAME, /silence SECONDS  How you and the model share the stage: follow, loop, respond (after a silence) or duet
/learn, /learn mine, /forget  [Learn](../how-to/learn-on-stage.md) what was played in this performance so far, by all or
    by the player; go back a version, or leave what is being learned
/speed X, /seed N  X times as fast as was learned; begin its chances anew
/load NAME  Put the model given as `--standby NAME.pt` in the place of the one that plays
/prime NAME, /prime last SECONDS  Forget all, and go on from a `--primer-file`, or from what you played of late
/reset  Forget what was heard, drop what is pending, end every note
/panic  Drop what is pending, end every note; a model that plays alone stands still until `/start`
/temperature X, /temperature NAME X…  For all features but `time` and `duration`, which keep the pace (0 is for them
    too), and what was said by name is forgotten; or by feature, those too. `/top_p` and `/min_p` likewise
/constrain NAME range LOW HIGH  Values from low to high; `-` or nil for an open end
/constrain NAME values V…, /constrain pitch scale D minor  These values; the notes of a scale. A newer constraint of a
    kind replaces the older one, different kinds hold together
/release, /release NAME, /release NAME range  Lift constraints: all, a feature's, one kind of it (`range`, `values`,
    `scale`). Those of the command line are lifted too
/polyphony N  At most so many notes at once, 0 for any number: where one more begins, the one that began first ends
/status  Asks for the state. With arguments it is ignored, so that two programs never echo each other
/feed  For three seconds send [the feed](#the-feed) there, to programs on this machine
/stop  End, as Ctrl-C does; `/2/stop` ends one of several for this evening
"""
SENT = """\
/output f…  The model plays: all features in order, always floats, without time. It is sent when it should sound
/noteoff pitch [channel]  A note ends: always where something cut it short, with `--note-offs` every time. `channel` is
    the feature `channel` or `instrument`, where there is one
/status ready 1, ready 0  Ready to play; ended
/status model NAME, features NAME…, input NAME…  What it is, what `/output` holds, the fewest values `/input` needs
/status mode NAME, state STATE, silence SECONDS, speed X, seed N, …  What was asked of it: each message that steers is
    answered by its line. The state is `playing`, `listening`, `paused` or `stopped`
/status heard N, released N, answered N, skipped N, played N, cancelled N, pending N, sounding N, refused N  So far
/status learn PHASE SHARE, learn better NEW OLD, learn no better NEW OLD  [How far learning
    is](../how-to/learn-on-stage.md), and what came of it
/status late P50 P99 MAX  How late what sounded was, in milliseconds
/status error KIND TEXT  What could not be obeyed and what was expected, once a second a kind and route: `packet`,
    `route`, `length`, `type`, `finite`, `size`, `name`, `value`, `model`, `sender`, `learn`
/status clock SECONDS  By how much the sender's time tags are ahead ([clocks](#clocks))
"""
