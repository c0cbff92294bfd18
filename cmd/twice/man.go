//go:build !ahead

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/fault"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write the manual pages, one for each command",
		Long: `Writes twice.1, twice-verify.1 and the other pages into a folder, from the text
that --help prints. They have no date, so the same program writes the same bytes.`,
		Example: "  twice man ~/.local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fault.Hint(fmt.Errorf("writing manual pages: %w", err), "name a folder that can be written")
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			prepare(root)
			none := time.Unix(0, 0).UTC()
			head := &doc.GenManHeader{Title: "TWICE", Section: "1", Source: "twice " + version(), Manual: "Twice", Date: &none}
			if err := doc.GenManTree(root, head, args[0]); err != nil {
				return fmt.Errorf("writing manual pages: %w", err)
			}
			return nil
		},
	}
}

// prepare leaves out the line that says when a page was made, and keeps tables as
// they are: a paragraph with columns becomes what Markdown calls code.
func prepare(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	paragraphs := strings.Split(cmd.Long, "\n\n")
	for i, p := range paragraphs {
		if strings.Contains(p, "\n  ") || strings.Contains(p, "   ") {
			paragraphs[i] = "    " + strings.ReplaceAll(p, "\n", "\n    ")
		}
	}
	cmd.Long = strings.Join(paragraphs, "\n\n")
	for _, c := range cmd.Commands() {
		prepare(c)
	}
}
