package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/media/medias3"
)

// evidence is where photos and recordings are kept.
type evidence struct {
	media.Store
	ping func(context.Context) error
}

// openMedia opens the store of photos and recordings that the settings name.
func openMedia(ctx context.Context, c config) (evidence, error) {
	if c.S3URL == "" {
		files, err := mediafs.Open(mediaFolder(c))
		if err != nil {
			return evidence{}, fmt.Errorf("the media folder does not open: %w", err)
		}
		return evidence{files, nil}, nil
	}
	bucket, err := medias3.Open(ctx, medias3.Config{URL: c.S3URL, AccessKey: c.S3AccessKey, SecretKey: c.S3SecretKey})
	if err != nil {
		return evidence{}, fmt.Errorf("the bucket of photos and recordings does not open: %w", err)
	}
	return evidence{bucket, bucket.Ping}, nil
}

// checkS3 looks at the settings of a bucket together.
func checkS3(c config) error {
	keys := c.S3AccessKey != "" && c.S3SecretKey != ""
	switch {
	case c.S3URL != "" && !keys:
		return errors.New("--s3-url needs the keys of the bucket; set SYMBOLON_S3_ACCESS_KEY and SYMBOLON_S3_SECRET_KEY")
	case c.S3URL == "" && (c.S3AccessKey != "" || c.S3SecretKey != ""):
		return errors.New("there are keys of a bucket and no bucket; set SYMBOLON_S3_URL too, or neither")
	}
	return nil
}

func checkBucket(v string) error {
	if v == "" {
		return nil
	}
	_, _, _, err := medias3.Parse(v) // its error does not repeat the value, which may hold keys that do not belong there
	return err
}

// copyUpload copies a complete upload into a folder; media.ErrUnknown when it is not there or over.
func copyUpload(ctx context.Context, from media.Store, to *mediafs.Store, id string) error {
	info, err := from.Load(ctx, id)
	if err != nil {
		return err
	}
	var is struct {
		Final  *struct{} `json:"final"`
		GoneAt time.Time `json:"gone_at"`
	}
	if err := json.Unmarshal(info, &is); err != nil || is.Final == nil || !is.GoneAt.IsZero() {
		return media.ErrUnknown
	}
	f, err := from.Open(ctx, id)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	return to.Import(ctx, id, info, io.NewSectionReader(f, 0, size))
}

// restoreStep is how much of an upload is brought back at once.
const restoreStep = 8 << 20

// bringBack copies all uploads of a folder into an empty bucket. What it has copied is taken back when it fails.
func bringBack(ctx context.Context, from *mediafs.Store, to media.Store) (err error) {
	var done []string
	defer func() {
		if err == nil {
			return
		}
		for _, id := range done {
			err = errors.Join(err, to.Forget(context.WithoutCancel(ctx), id))
		}
	}()
	return from.Each(ctx, func(id string) error {
		info, err := from.Load(ctx, id)
		if err != nil {
			return err
		}
		in, err := from.Open(ctx, id)
		if err != nil {
			return err
		}
		defer in.Close()
		size, err := in.Size()
		if err != nil {
			return err
		}
		if err := to.Create(ctx, id, info); err != nil {
			return err
		}
		done = append(done, id)
		out, err := to.Open(ctx, id)
		if err != nil {
			return err
		}
		defer out.Close()
		r := bufio.NewReaderSize(io.NewSectionReader(in, 0, size), restoreStep)
		for {
			step, err := r.Peek(restoreStep)
			if len(step) == 0 {
				break
			}
			if err != nil && err != io.EOF {
				return err
			}
			if err := out.Append(step); err != nil {
				return err
			}
			if _, err := r.Discard(len(step)); err != nil {
				return err
			}
		}
		return out.Sync()
	})
}

// errNotEmpty stops looking through a bucket.
var errNotEmpty = errors.New("the bucket holds uploads already; restore into an empty one, or below another prefix")

// emptyBucket fails unless nothing is kept there.
func emptyBucket(ctx context.Context, s media.Store) error {
	return s.Each(ctx, func(string) error { return errNotEmpty })
}
