package domain

// The values of this package (e-mail addresses, sums of money, dates, …) are
// read by UnmarshalText or UnmarshalJSON, which refuse what is no such value: an
// invalid one cannot come in from outside. Each has a Check method for values
// that were made in another way; [CheckShape] calls it.
//
// What was accepted once is in the log for good and must stay readable, so the
// rules of a value may be relaxed, never tightened. A stricter rule belongs into
// the Check method of the command, which is not asked about the past.
type value interface{ Check() error }

// checked returns a value that is in order, or says what is wrong with it.
func checked[T value](v T) (T, error) {
	if err := v.Check(); err != nil {
		var none T
		return none, err
	}
	return v, nil
}
