package licenses

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// TestLicences: the page is current, and all that ships may ship.
func TestLicences(t *testing.T) {
	all, err := Shipped(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, id := range m.Licences {
			if !slices.Contains(Permissive, id) {
				t.Errorf("%s %s is under %s; what ships is under %v", m.Path, m.Version, id, Permissive)
			}
		}
	}
	want, err := os.ReadFile(root + "/docs/licenses.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, texts bytes.Buffer
	if err := Table(&got, all); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("docs/licenses.md (-is +should be; make licenses writes it):\n%s", diff)
	}
	if err := Texts(&texts, all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !strings.Contains(texts.String(), "==== "+m.Path+" "+m.Version+": ") {
			t.Errorf("no text of %s", m.Path)
		}
	}
}

func TestClassify(t *testing.T) {
	const bsd = "Redistribution and use in source and\n binary forms, with or without modification, are permitted"
	for text, want := range map[string][]string{
		"                                 Apache License\n                           Version 2.0, January 2004": {"Apache-2.0"},
		"Permission is hereby granted, free of\ncharge, to any person":                                          {"MIT"},
		bsd:                                 {"BSD-2-Clause"},
		bsd + " Neither the name of Google": {"BSD-3-Clause"},
		"Permission to use, copy, modify, and distribute this software": {"ISC"},
		"MIT: Permission is hereby granted, free of charge. " + bsd:     {"MIT", "BSD-2-Clause"},
		"Mozilla Public License Version 2.0":                            {"MPL-2.0"},
		"GNU GENERAL PUBLIC LICENSE":                                    {"GPL"},
		"All rights reserved. You may look at this.":                    nil,
	} {
		if diff := cmp.Diff(want, Classify(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
