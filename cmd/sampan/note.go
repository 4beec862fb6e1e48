package main

import "fmt"

type noteCmd struct {
	asMerchant
	ID   string `arg:"" name:"syssn" help:"The syssn of the order or of a refund of it."`
	Text string `arg:"" help:"At most 200 characters."`
}

// Run adds a note to an order.
func (cmd noteCmd) Run(e *env) error {
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	if err := client.AddNote(e.ctx, cmd.ID, cmd.Text); err != nil {
		return open(err, "the same command adds the note, perhaps a second time")
	}
	_, err = fmt.Fprintln(e.stdout, "noted")
	return err
}
