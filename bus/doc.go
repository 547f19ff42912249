// Package bus tells the world outside what happens: it reads the log and
// publishes one message per event, as CloudEvents 1.0, to brokers that it knows
// as Watermill publishers. Every event is published at least once, those of a
// record in order, under an ID that stays the same; what a broker refuses for
// good is parked, with all that follows it on the same record.
//
// It knows no broker and no protocol, nor what an event means. Publishers live
// in sub-packages.
package bus
