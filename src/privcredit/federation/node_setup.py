"""What a party does to set up its own node: make keys, accept the operator's welcome, pin a registry."""

from dataclasses import dataclass, replace
from pathlib import Path

from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import SealingKey
from privcredit.crypto.signing import SigningKey, public_jwk
from privcredit.errors import UsageError
from privcredit.federation.config import (
    CONFIG_FILE,
    JOIN_FILE,
    REGISTRY_FILE,
    REGISTRY_KEY_FILE,
    TOKEN_FILE,
    NodeConfig,
    load_node,
    load_registry,
    load_registry_key,
    needs_token,
    node_toml,
)
from privcredit.federation.documents import (
    WELCOME_FORMAT,
    JoinRequest,
    Welcome,
    address_of,
    check_format,
    make_join,
)
from privcredit.federation.files import make_directory, read_document, read_text, write_document, write_public
from privcredit.federation.key_files import (
    Passphrase,
    key_path,
    load_dgk,
    load_key_share,
    load_party_keys,
    write_key,
)
from privcredit.http.api_token import ApiToken
from privcredit.http.pki import check_identity, check_name
from privcredit.http.tls import write_private
from privcredit.messages.codec import encode_json
from privcredit.roles.identity import check_own_entry
from privcredit.roles.registry import REGISTRY_SIGNER, Party, TrustedRegistry, open_registry


@dataclass(frozen=True, slots=True)
class Reach:
    """Where others reach a node, as `https://host:port`, when that is not where it listens (behind a proxy or NAT)."""

    federation: str = ""
    public: str = ""


def init_node(
    config: NodeConfig, randomness: Randomness, passphrase: Passphrase | None = None, reach: Reach | None = None
) -> JoinRequest:
    """Make a node's directory with fresh keys, `node.toml` and `join.json`; return the join request.

    Run by the party itself, on the machine that will run the node; the secret keys never leave it. A verifier whose
    public API others can reach gets a token for it (`keys/api.token`) if it names none.
    Raises UsageError if the directory already has keys, or a value in `config` is wrong.
    """
    check_name(config.name, "party")
    check_name(config.scheme, "scheme")
    directory = make_directory(config.directory)
    if key_path(directory, "signing").exists():
        raise UsageError(f"{directory} has keys already; delete it to start anew, or use another directory.")
    make_directory(directory / "keys")
    config = _with_token(config, randomness)
    write_public(directory / CONFIG_FILE, node_toml(config).encode())
    load_node(directory)
    signing, sealing = SigningKey.generate(randomness), SealingKey.generate(randomness)
    join = make_join(config.scheme, _party(config, signing, sealing, reach or Reach()), signing)
    write_key(key_path(directory, "sealing"), "sealing", sealing.export_seed(), passphrase, randomness)
    write_document(directory / JOIN_FILE, join)
    write_key(key_path(directory, "signing"), "signing", signing.export_seed(), passphrase, randomness)
    return join


def accept_welcome(directory: Path, welcome_file: Path, now: int, passphrase: Passphrase | None = None) -> Welcome:
    """Install the operator's welcome: certificate, TLS key, federation CA, registry key.

    The file itself is not proof of who the operator is: compare the registry key's fingerprint with the operator.
    Raises UsageError if the file is for another party or scheme, another registry key is pinned already, or the
    certificate does not fit; InvalidProofError if the TLS key is sealed for another node.
    """
    config = load_node(directory)
    welcome = read_document(welcome_file, Welcome, "a welcome file")
    check_format(welcome_file, welcome.format, WELCOME_FORMAT)
    if (welcome.party, welcome.scheme) != (config.name, config.scheme):
        raise UsageError(f"{welcome_file} is for {welcome.party} in {welcome.scheme}, not for this node; use its own.")
    _check_registry_key(directory, welcome)
    tls_key = load_party_keys(directory, passphrase).sealing.open(welcome.sealed_tls_key, "federation operator")
    peer = check_identity(welcome.ca.encode(), welcome.certificate.encode(), tls_key, now)
    if (peer.party, peer.role) != (config.name, config.role):
        raise UsageError(f"The certificate in {welcome_file} names {peer.party}, {peer.role}; ask for the right one.")
    _write_tls(config, welcome, tls_key)
    write_public(directory / REGISTRY_KEY_FILE, encode_json(public_jwk(welcome.registry_key, REGISTRY_SIGNER)))
    return welcome


def install_registry(directory: Path, registry_file: Path, passphrase: Passphrase | None = None) -> TrustedRegistry:
    """Pin a registry after verifying every signature in it, and return it. Installing the same one again is harmless.

    Raises UsageError if its serial is not above the pinned one's, its scheme is another, or it lists other keys than
    this node holds; InvalidProofError for a wrong signature, which includes another registry key.
    """
    config = load_node(directory)
    jws = read_text(registry_file).strip()
    registry = open_registry(jws, load_registry_key(directory / REGISTRY_KEY_FILE))
    if registry.scheme != config.scheme:
        raise UsageError(
            f"{registry_file} is the registry of {registry.scheme}; this node is set up for {config.scheme}."
        )
    check_own_entry(load_party_keys(directory, passphrase), config.role, registry)
    if config.role == "authority":
        check_key_material(config, registry, passphrase)
    pinned = directory / REGISTRY_FILE
    if pinned.exists() and read_text(pinned).strip() != jws:
        _check_newer(registry, load_registry(directory), registry_file)
    write_public(pinned, jws.encode() + b"\n")
    return registry


def check_key_material(config: NodeConfig, registry: TrustedRegistry, passphrase: Passphrase | None) -> None:
    """Raise UsageError unless an authority's share and DGK key are those that the registry lists for it."""
    share = load_key_share(config.directory, passphrase, registry.threshold_key.key)
    if share.index != registry.authorities.index(config.name) + 1:
        raise UsageError(
            f"The registry lists {config.name} at another place than its share's; have it published again."
        )
    if load_dgk(config.directory, passphrase).public != registry.dgk_keys[config.name]:
        raise UsageError(f"The registry lists another DGK key for {config.name}; hand the operator a new statement.")


def _with_token(config: NodeConfig, randomness: Randomness) -> NodeConfig:
    if not needs_token(config):
        return config
    path = config.directory / "keys" / TOKEN_FILE
    ApiToken.generate(randomness).write(path)
    return replace(config, api_token_file=path)


def _party(config: NodeConfig, signing: SigningKey, sealing: SealingKey, reach: Reach) -> Party:
    address = reach.federation or config.federation.url
    public = reach.public or (config.public.url if config.public else "")
    for url in filter(None, (address, public)):
        address_of(url, f"{config.directory / CONFIG_FILE}")
    return Party(
        name=config.name,
        role=config.role,
        signing_key=signing.public_bytes,
        sealing_key=sealing.public,
        address=address,
        public_address=public,
    )


def _check_registry_key(directory: Path, welcome: Welcome) -> None:
    pinned = directory / REGISTRY_KEY_FILE
    if pinned.exists() and load_registry_key(pinned) != welcome.registry_key:
        raise UsageError(
            f"It names another registry key than {pinned}; ask the operator, and delete that file to replace it."
        )


def _write_tls(config: NodeConfig, welcome: Welcome, tls_key: bytes) -> None:
    files = config.server_tls
    make_directory(files.key.parent)
    write_public(files.ca, welcome.ca.encode())
    write_public(files.certificate, welcome.certificate.encode())
    write_private(files.key, tls_key)


def _check_newer(registry: TrustedRegistry, pinned: TrustedRegistry, registry_file: Path) -> None:
    if registry.document.serial <= pinned.document.serial:
        raise UsageError(
            f"{registry_file} has serial {registry.document.serial}, and {pinned.document.serial} is pinned; "
            "an older registry is never installed, so ask the operator for the newest."
        )
