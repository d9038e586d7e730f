package fakegce

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// noticedLock tells when it was held for writing: whoever held it may have
// changed what a state file holds.
type noticedLock struct {
	sync.RWMutex
	written chan struct{} // holds one token at most
}

// Unlock leaves a token for whoever keeps the state file.
func (l *noticedLock) Unlock() {
	l.RWMutex.Unlock()
	l.notice()
}

func (l *noticedLock) notice() {
	select {
	case l.written <- struct{}{}:
	default:
	}
}

// saveDelay gathers changes into one writing of the file. With the time that
// writing takes it is what a killed process loses.
const saveDelay = 500 * time.Millisecond

// LoadFile is Load from a file. That there is none is no error.
func (s *Server) LoadFile(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	defer file.Close()
	switch err := s.Load(file); {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("read state file %s: %w; run that one, or move the file away to begin empty", path, err)
	case err != nil:
		return fmt.Errorf("read state file %s: damaged: %w; put back a copy, or move the file away to begin empty", path, err)
	}
	return nil
}

// SaveFile is Save into a file, which is the old one or the new one at any
// moment, never half of one.
func (s *Server) SaveFile(path string) error {
	if err := s.replaceFile(path); err != nil {
		return fmt.Errorf("write state file %s: %w", path, err)
	}
	return nil
}

func (s *Server) replaceFile(path string) error {
	draft, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = s.Save(draft)
	if err == nil {
		err = draft.Sync()
	}
	if err = errors.Join(err, draft.Close()); err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// KeepFile saves into a file soon after every change until ctx ends, and then
// once more. What cannot be written is reported, once until it can be, and tried
// again; only the last failure is returned. One file can be kept at a time.
func (s *Server) KeepFile(ctx context.Context, path string, report func(error)) error {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return s.SaveFile(path)
		case <-s.mu.written:
		}
		select {
		case <-ctx.Done():
			continue
		case <-time.After(saveDelay):
		}
		select { // what was changed meanwhile is in this writing
		case <-s.mu.written:
		default:
		}
		err := s.SaveFile(path)
		if err != nil {
			s.mu.notice()
			if !failed {
				report(err)
			}
		}
		failed = err != nil
	}
}
