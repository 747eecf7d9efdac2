/* gpu_child: the process that runs candidates: a command loop over device, images, checks and timing. It is told inputs
 * and never answers, judges nothing, and is killed without regret. Requests and answers (wire frames; "arena": bytes may
 * stand in any request and says how large the shared memory is now):
 *
 *   (on start)                                      hello {device, bus_id} | {device: null, why}
 *   problem {problems}                              ready
 *   load {id} blob image                            loaded
 *   unload {id}                                     unloaded
 *   resources {id, problem, launch}                 resources {regs, smem_static, local_bytes, occupancy}
 *   check {id, problem, launch, fill}               checked: the arena's layout (guard GPU_CHECK_GUARD, and the
 *                                                   launch's workspace) was uploaded, shared memory filled, called once, and brought back
 *   check {.., apart: true}                         the same, each tensor and the workspace in an allocation of its own, as large
 *                                                   as it is, and what the call is to write not written before
 *   sets {problem, seed}                            sets {count}: made from the layout (guard BENCH_GUARD) in the arena
 *   slot {slot, id, launch}                         slot {call_us, nodes, graphs}
 *   cold {slot, replays, seed, key}                 times {us: [..], sums}
 *   warm {slot, replays}                            times {us: [..]}
 *   race {quads}                                    times {us: [..]}
 *   fresh {slot, seed, key, calls}                  times {us: [one], first, count, sums}: all sets made anew, one replay
 *   round {slot, seed, key, calls}                  times {us: [two], sums}: all inputs made anew, two calls on each set
 *   rounds {slot, seed, key, calls}                 times {sums}: the same, so many times, with the workspace as it is
 *   disguised {slot, seed, key, calls}              times {sums}: so many calls, made as a check makes them
 *   patched {slot, seed, key, calls}                the same, of calls whose inputs have changed in part
 *   some {slot, seed, key, calls}                   times {first, count}: all sets made anew, so many calls
 *                                                   (seed, key: 16 hex digits; sums: that many struct bench_sum lie in the arena)
 *   fetch {set}                                     fetched: the set's layout is in the arena
 *   outputs {first, count}                          fetched: the outputs' spans of these sets are in the arena
 *   unbench                                         done: sets and slots are forgotten
 *   (any of them)                                   failed {verdict: load|launch|fault|error, text} */
#ifndef ATTUNE_GPU_CHILD_H
#define ATTUNE_GPU_CHILD_H

enum { GPU_CHECK_GUARD = 65536 }; /* bytes around each tensor while it is checked */

int gpu_child_main(int fd, int arena_fd, int device);

#endif
