// Package simulation plays the whole system in one process, many thousand times, each time in another order:
// writers, the delivery of streams, projectors, archivers, readers, rebuilds and the operator who starts and
// stops them. It is the real engine over stores in memory. Every call of a port waits at a gate until a
// scheduler releases it. The scheduler may let the call fail, lose its response, delay its effect, or crash
// its process before or after it. Time is that of a testing/synctest bubble. All randomness comes from one
// seed, so a run that breaks a promise can be repeated. infra/DESIGN.md sections 6 to 9 are the promises.
//
// Checkouts are played in a smaller world (RunShop): guests, workers, a projector, rebuilds of the process's
// table and a provider of payments (section 13).
package simulation
