package liveredis

import "time"

// HearFor changes how long a wish of the node lasts.
func (b *Bus) HearFor(d time.Duration) { b.hearFor = d }
