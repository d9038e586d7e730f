package config

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// recheck is how often a File looks whether it changed; a change is seen within it.
const recheck = 10 * time.Second

// A File is a fleet file that is read again when it changes. A changed file that is wrong
// leaves the last good one in force.
type File struct {
	path string
	now  func() time.Time

	mu      sync.Mutex
	fleet   *Fleet
	stamp   stamp
	checked time.Time
	err     error // of the newest reading, when the last good one is still in force
}

// A stamp changes when the file does. A mounted secret is a link that is swapped, so size
// and time are those of its target.
type stamp struct {
	size     int64
	modified time.Time
}

// OpenFile reads the fleet file at path.
func OpenFile(path string, now func() time.Time) (*File, error) {
	f := &File{path: path, now: now}
	if _, err := f.Fleet(); err != nil {
		return nil, err
	}
	return f, nil
}

// Fleet returns the fleet file's newest valid contents.
func (f *File) Fleet() (*Fleet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fleet != nil && f.now().Sub(f.checked) < recheck {
		return f.fleet, nil
	}
	f.checked = f.now()
	info, err := os.Stat(f.path)
	if err == nil && f.fleet != nil && f.stamp == (stamp{info.Size(), info.ModTime()}) {
		f.err = nil // it may have been wrong in between
		return f.fleet, nil
	}
	if err == nil {
		err = f.read(stamp{info.Size(), info.ModTime()})
	}
	f.err = err
	if f.fleet == nil {
		return nil, fmt.Errorf("fleet file: %w", err)
	}
	return f.fleet, nil
}

func (f *File) read(s stamp) error {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	fleet, err := ParseFleet(f.path, data)
	if err != nil {
		return err
	}
	f.fleet, f.stamp = fleet, s
	return nil
}

// Stale is why the newest contents are not in force; nil when they are.
func (f *File) Stale() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
