package api

import (
	"context"
	"net/http"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/wall"
)

// troubles says how a trouble of the database is told to clients. What the
// database was asked for then was not done, except perhaps if it is away.
var troubles = map[wall.Trouble]*domain.Error{
	wall.DiskFull:  {Reason: domain.Unavailable, Code: "storage_full", Detail: "there is no room left to store anything; nothing was changed"},
	wall.Exhausted: {Reason: domain.Unavailable, Code: "storage_overloaded", Detail: "the database has no memory or no connections left now"},
	wall.IOError:   {Reason: domain.Unavailable, Code: "storage_failing", Detail: "the database cannot use its disk now"},
	wall.ReadOnly:  {Reason: domain.Unavailable, Code: "storage_read_only", Detail: "the database takes no changes now"},
	wall.Away:      {Reason: domain.Unavailable, Code: "storage_unavailable", Detail: "the database cannot be reached now"},
}

// noteSlow tells the log that the database took too long, if that is why a
// request was refused. Of the troubles of the database the wall tells by itself.
func (s *Server) noteSlow(ctx context.Context, requestID string, err error) {
	if wall.IsTooSlow(err) {
		s.Log.WarnContext(ctx, "the database took too long, so the request was refused with 503", "request_id", requestID, "error", err)
	}
}

// mayPass reports whether what was refused may be accepted if it is sent again.
func mayPass(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}
