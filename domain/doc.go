// Package domain holds the vocabulary every other package speaks: aggregates,
// their events and commands, who is asking, and what can go wrong.
//
// The package is pure. It reads no clock, opens no connection and takes no
// context; a decision depends on nothing but its arguments. Each kind of record
// has its own sub-package (see [github.com/rowhouse/rowhouse/domain/deal]), and
// those sub-packages know one another only by ID.
package domain
