"""What the settings allow a broker account, checked against what its gateway asks for."""

from __future__ import annotations

from collections.abc import Sequence

from actors.settings.model import BrokerSettings
from domain.brokers.gateway import Gateway
from domain.errors import PermitImpossible, SettingsError
from domain.limits.rates import AccountLimits, RateLimit


def account_limits(broker: BrokerSettings, gateway: Gateway) -> AccountLimits:
    """The limits of the settings, or what the broker documents.

    Raises SettingsError for a limit into which no request of the gateway fits, for one of a pool that the gateway
    never draws on, which would limit nothing, and where there is no limit at all.
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
    return AccountLimits(
        broker.gateway,
        broker.account,
        tuple(limits),
        broker.timeout_seconds,
        abandoned_seconds=broker.timeout_seconds,
        uplink_seconds=broker.uplink_seconds,
    )


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
