"""`hxmx page`: serve the page of a performance that plays already."""

from __future__ import annotations

import click


@click.command("page", context_settings={"show_default": True})
@click.option("--in-port", type=click.IntRange(1, 65535), default=8000, help="Where the performance hears.")
@click.option("--address", default="127.0.0.1", help="The address on which it hears.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=8080, help="Serve on this port; 0: any free one.")
@click.option("--web-address", default="127.0.0.1", help="Serve on this address of this machine.")
@click.option("--open", "browse", is_flag=True, help="Open it in a browser.")
def command(in_port: int, address: str, web_port: int, web_address: str, browse: bool) -> None:
    """Serve the page of an hxmx run on this machine, which may have been started without --web, until Ctrl-C."""
    import asyncio
    import contextlib

    from hachimachi.console import opening_lines
    from hachimachi.web.launch import bind, serve

    sock, options = bind(web_address, web_port, (address, in_port), browse)
    click.echo(opening_lines([options.line, ("end", "Ctrl-C", "")]))
    options.print_code()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(sock, options))
