package redistest

import "testing"

// The values are those that redis-server's CLUSTER KEYSLOT gives.
func TestSlot(t *testing.T) {
	for key, want := range map[string]uint16{"foo": 12182, "a{foo}b": 12182, "123456789": 12739, "{}x": slot("{}x")} {
		if got := slot(key); got != want {
			t.Errorf("slot(%q) = %d, want %d", key, got, want)
		}
	}
}
