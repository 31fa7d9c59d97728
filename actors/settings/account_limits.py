"""The limits of a broker account by the settings, checked against its gateway's requests."""

from __future__ import annotations

from collections.abc import Sequence

from actors.settings.model import BrokerSettings
from domain.brokers.gateway import Gateway
from domain.errors import PermitImpossible, SettingsError
from domain.limits.rates import AccountLimits, RateLimit

ADDRESS_ACCOUNT = "default"
"""The account of everyone behind one IP address, where the broker counts by address."""


def account_limits(broker: BrokerSettings, gateway: Gateway) -> AccountLimits:
    """The limits of the settings, or those that the broker documents.

    Raises SettingsError for a limit that no request of the gateway fits into, for a limit of a pool that the gateway
    never uses, and where there is no limit at all.
    """
    limits = broker.limits or gateway.spec.limits
    if not limits:
        name = gateway.spec.name
        raise SettingsError(f'broker.limits is missing: {name} documents none, so write some, like ["15/1s"]')
    pools = {charge.pool for charge in gateway.spec.charges}
    for limit in limits:
        if limit.pool and limit.pool not in pools:
            name = gateway.spec.name
            raise SettingsError(f'broker.limits: "{limit}" limits nothing: {name} has no pool "{limit.pool}"')
    check_fits(limits, gateway)
    domain, account = limiter_account(broker, gateway)
    return AccountLimits(
        domain,
        account,
        tuple(limits),
        broker.timeout_seconds,
        abandoned_seconds=broker.timeout_seconds,
        uplink_seconds=broker.uplink_seconds,
    )


def limiter_account(broker: BrokerSettings, gateway: Gateway) -> tuple[str, str]:
    """The limit domain and the account whose limiter counts the requests.

    Brokers of one limit domain share it. Where the broker counts by IP address, all accounts share it; a server
    elsewhere that speaks like the broker has one of its own.
    """
    spec = gateway.spec
    is_the_brokers_own = broker.base_url in (None, spec.base_url)
    is_shared = spec.scope == "address" and is_the_brokers_own
    return spec.limit_domain, ADDRESS_ACCOUNT if is_shared else broker.account


def check_fits(limits: Sequence[RateLimit], gateway: Gateway) -> None:
    """Raise SettingsError for a limit under which not one request of the gateway could ever leave."""
    for limit in limits:
        for charge in gateway.spec.charges:
            try:
                limit.check_possible(charge.tokens, charge.pool)
            except PermitImpossible as error:
                raise SettingsError(
                    f'broker.limits: no request ever fits into "{limit}": at {gateway.spec.name} each weighs '
                    f"{charge.tokens}"
                ) from error
