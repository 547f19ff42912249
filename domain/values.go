package domain

// The values of this package (e-mail addresses, sums of money, dates, …) come in
// by one of two doors. From outside they come by [Unmarshal], which normalizes them
// and refuses what is no such value. Each has a Check method for values that were
// made in another way; [CheckShape] calls it.
//
// From the log, and from rows, they are read by [encoding/json] as they are: what
// was accepted once is there for good, and stays readable when rules become
// stricter and normal forms change. So no value may refuse to be unmarshalled for
// what it says, unless that is nothing.
type value interface{ Check() error }

// normalize puts what parse makes of a value in its place.
func normalize[T ~string](v *T, parse func(string) (T, error)) error {
	parsed, err := parse(string(*v))
	if err == nil {
		*v = parsed
	}
	return err
}

// keep takes a value as it was recorded. Only no text at all is no value: none was
// ever recorded like that.
func keep[T ~string](v *T, text []byte, refusal error) error {
	if len(text) == 0 {
		return refusal
	}
	*v = T(text)
	return nil
}

// asParsed refuses a value that is not as parse returns it.
func asParsed[T ~string](v T, parse func(string) (T, error), refusal error) error {
	parsed, err := parse(string(v))
	if err == nil && parsed != v {
		return refusal
	}
	return err
}

// checked returns a value that is in order, or says what is wrong with it.
func checked[T value](v T) (T, error) {
	if err := v.Check(); err != nil {
		var none T
		return none, err
	}
	return v, nil
}
