package kurrent

// Encode makes an event for the engine.
var Encode = encode
