// Command licenses writes the table of the licences of all that ships, or with --texts what
// they say.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/negfleet/negfleet/test/licenses"
)

func main() {
	log.SetFlags(0)
	texts := flag.Bool("texts", false, "write the texts, not the table")
	flag.Parse()
	all, err := licenses.Shipped(".")
	if err != nil {
		log.Fatal(err)
	}
	write := licenses.Table
	if *texts {
		write = licenses.Texts
	}
	if err := write(os.Stdout, all); err != nil {
		log.Fatal(err)
	}
}
