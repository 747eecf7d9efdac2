/* replay: a runner without a GPU: it speaks the wire protocol and answers from a recorded journal (journal_read).
 *
 * The record's lines are those that a host's journal holds; what counts here:
 *   {"kind":"run","problem":text or {"text":text,...},"device":D,"date":DAY?,...}   what was tuned, on what, when
 *   {"kind":"trial","candidate":text or {...,"text"},"problem":text?,"verdict",...}   of several, the last ok counts
 *   {"kind":"baseline","name","entries":[...],"versions"?,"why"?,"problem":text?}
 *   {"kind":"baselines","entries":[{"group","name",...}],"versions"?,"problem":text?}   the same for several at once
 *   {"kind":"champion","entries":[{"candidate"|"name","time_us",...}],"noise":{...},"clocks"?,"problem":text?}
 * A line without "problem" belongs to the problem of the run line before it. Nothing is computed that was not measured,
 * but for "wins", recounted when fewer candidates are asked for than were measured together. */
#ifndef ATTUNE_REPLAY_H
#define ATTUNE_REPLAY_H

/* Greets and serves until quit or the end of in_fd. Returns the process's exit status: 0, or 1 when the record cannot
 * be used (an "error" frame in the place of the greeting, and a line on standard error) or the stream is broken (a line
 * on standard error).
 *
 *   hello     device of the first run line; replay {file, records, recorded_on, run, problem, problems, candidates}
 *   problem   ready {candidates}: those recorded for this problem; error, naming the recorded ones, for any other
 *   trial     the recorded result (its race left out: it ran against another incumbent), or verdict "unrecorded"
 *   judge     the same without times
 *   baseline  what was recorded under that name, or a why
 *   champion  from one recorded championship that holds every asked candidate; else from their recorded trials and
 *             baselines, with "championship":"not recorded"
 * Every answer says "recorded":true. load and unload are taken and dropped. */
int replay_main(const char *file, int in_fd, int out_fd);

#endif
