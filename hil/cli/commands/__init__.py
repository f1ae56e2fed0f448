"""The commands of `hil`: each public function or `typer.Typer` of a module here is one."""
