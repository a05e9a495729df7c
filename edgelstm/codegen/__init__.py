"""From a Model to C text: plan what runs when and lives where, pack the weights, render the templates."""
