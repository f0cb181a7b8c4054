package embeddedredis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/symbolon/symbolon/seal"
)

// The file is magic ‖ seal(JSON of snapshot), bound to magic. A later form of the JSON
// gets another magic.
const (
	fileName = "sessions.snapshot"
	magic    = "symbolon sessions 1\n"
)

// snapshot is the whole keyspace. Values are bytes, not text: Redis does not mind.
type snapshot struct {
	Keys []key `json:"keys"`
}

type key struct {
	Name      []byte   `json:"name"`
	ExpiresAt int64    `json:"expires_at,omitempty"` // ms since 1970; 0: never
	Type      string   `json:"type"`                 // as TYPE says
	Values    [][]byte `json:"values"`               // string: one; list, set: items; hash: field, value, …; zset: member, score, …
}

// save copies the keyspace and writes it down.
func (s *Server) save() error {
	s.quiet.Lock()
	snap := s.copy()
	s.quiet.Unlock()

	plain, err := json.Marshal(snap)
	if err != nil {
		return fmt.Errorf("encode snapshot: %w", err)
	}
	return writeFile(s.cfg.Dir, append([]byte(magic), s.box.Seal(plain, seal.Bind(magic))...))
}

// copy reads the keyspace. No command runs meanwhile.
func (s *Server) copy() snapshot {
	now := s.cfg.Now()
	names := s.redis.Keys()
	snap := snapshot{Keys: make([]key, 0, len(names))}
	for _, name := range names {
		k := key{Name: []byte(name), Type: s.redis.Type(name)}
		if ttl := s.redis.TTL(name); ttl > 0 {
			k.ExpiresAt = now.Add(ttl).UnixMilli()
		}
		add := func(v string) { k.Values = append(k.Values, []byte(v)) }
		var err error
		switch k.Type {
		case "string":
			var v string
			v, err = s.redis.Get(name)
			add(v)
		case "hash":
			var fields []string
			fields, err = s.redis.HKeys(name)
			for _, f := range fields {
				add(f)
				add(s.redis.HGet(name, f))
			}
		case "list":
			var items []string
			items, err = s.redis.List(name)
			for _, v := range items {
				add(v)
			}
		case "set":
			var items []string
			items, err = s.redis.SMembers(name)
			for _, v := range items {
				add(v)
			}
		case "zset":
			var scores map[string]float64
			scores, err = s.redis.SortedSet(name)
			for member, score := range scores {
				add(member)
				add(strconv.FormatFloat(score, 'g', -1, 64))
			}
		default:
			err = errors.New("a type that is not kept")
		}
		if err != nil { // not the name: it is nobody's business
			s.cfg.Log.Error("a key is not in the sessions snapshot", "type", k.Type, "error", err)
			continue
		}
		snap.Keys = append(snap.Keys, k)
	}
	return snap
}

// restore loads the snapshot, if there is a usable one.
func (s *Server) restore() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the sessions snapshot: %w", err)
	}
	path := filepath.Join(s.cfg.Dir, fileName)
	file, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the sessions snapshot: %w", err)
	}
	snap, err := s.open(file)
	if err == nil {
		err = s.load(snap)
	}
	if err != nil {
		s.redis.FlushAll()
		aside := fmt.Sprintf("%s.unusable-%d", path, s.cfg.Now().UnixNano())
		if err := os.Rename(path, aside); err != nil {
			return fmt.Errorf("move an unusable sessions snapshot aside: %w", err)
		}
		s.cfg.Log.Warn("sessions snapshot unusable, moved aside; everybody signs in again", "file", aside, "error", err)
	}
	return nil
}

func (s *Server) open(file []byte) (snapshot, error) {
	sealed, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok {
		return snapshot{}, errors.New("not a sessions snapshot of this version")
	}
	plain, err := s.box.Open(sealed, seal.Bind(magic))
	if err != nil {
		return snapshot{}, fmt.Errorf("damaged, or sealed with another key: %w", err)
	}
	var snap snapshot
	if err := json.Unmarshal(plain, &snap); err != nil {
		return snapshot{}, fmt.Errorf("decode: %w", err)
	}
	return snap, nil
}

// load puts what has not expired into the keyspace.
func (s *Server) load(snap snapshot) error {
	now := s.cfg.Now()
	for _, k := range snap.Keys {
		var ttl time.Duration
		if k.ExpiresAt != 0 {
			if ttl = time.UnixMilli(k.ExpiresAt).Sub(now); ttl <= 0 {
				continue
			}
		}
		name, values := string(k.Name), make([]string, len(k.Values))
		for i, v := range k.Values {
			values[i] = string(v)
		}
		if (k.Type == "string" && len(values) != 1) || len(values) == 0 ||
			((k.Type == "hash" || k.Type == "zset") && len(values)%2 != 0) {
			return errors.New("a key with the wrong number of values")
		}
		var err error
		switch k.Type {
		case "string":
			err = s.redis.Set(name, values[0])
		case "hash":
			s.redis.HSet(name, values...)
		case "list":
			_, err = s.redis.RPush(name, values...)
		case "set":
			_, err = s.redis.SAdd(name, values...)
		case "zset":
			for i := 0; i < len(values) && err == nil; i += 2 {
				var score float64
				if score, err = strconv.ParseFloat(values[i+1], 64); err == nil {
					_, err = s.redis.ZAdd(name, score, values[i])
				}
			}
		default:
			err = fmt.Errorf("a key of type %q", k.Type)
		}
		if err != nil {
			return err
		}
		if ttl > 0 {
			s.redis.SetTTL(name, ttl)
		}
	}
	return nil
}

// writeFile replaces the snapshot: after a crash at any moment the old or the new one is whole.
func writeFile(dir string, data []byte) error {
	path := filepath.Join(dir, fileName)
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
