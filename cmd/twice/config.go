package main

import (
	"github.com/craton-co/twice/internal/config"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "about twice.toml",
		Long: `Config says what may be in twice.toml. With the schema in reach an editor completes
and checks the file; the first line of it can name it:

  #:schema ` + config.SchemaID,
		Example: "  twice config schema > twice.schema.json",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "schema",
		Short:   "print the JSON Schema of twice.toml",
		Example: "  twice config schema",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	})
	return cmd
}
