package postgres

// Statements that are explained.
const (
	PendingBetween = pendingBetween
	PendingOf      = pendingOf
	HoldersOf      = holders
)
