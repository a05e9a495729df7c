"""The layers we compile, one file each; `registry` lists them."""
