package esdb

// MaxAppendBytes returns how large an append may be, in bytes as [Event.Size]
// counts.
func (c *Client) MaxAppendBytes() int { return c.cfg.MaxAppendBytes }
