"""What the settings allow a broker account, checked against what its gateway asks for."""

from __future__ import annotations

from collections.abc import Sequence

from actors.settings.model import BrokerSettings
from domain.brokers.gateway import BrokerGateway
from domain.errors import PermitImpossible, SettingsError
from domain.limits.rates import AccountLimits, RateLimit


def account_limits(broker: BrokerSettings, gateway: BrokerGateway, documented: Sequence[str]) -> AccountLimits:
    """The limits of the settings, or what the broker documents.

    Raises SettingsError for a limit into which no request of the gateway fits, and for one of a pool that
    the gateway never draws on: it would limit nothing.
    """
    limits = broker.limits or tuple(RateLimit.parse(text) for text in documented)
    for limit in limits:
        if limit.pool and limit.pool != gateway.pool:
            raise SettingsError(f'broker.limits: "{limit}" limits nothing: {gateway.name} has no pool "{limit.pool}"')
    check_fits(limits, gateway)
    return AccountLimits(
        broker.gateway,
        broker.account,
        limits,
        broker.timeout_seconds,
        abandoned_seconds=broker.timeout_seconds,
        uplink_seconds=broker.uplink_seconds,
    )


def check_fits(limits: Sequence[RateLimit], gateway: BrokerGateway) -> None:
    """Raise SettingsError for a limit under which not one request of the gateway could ever leave."""
    for limit in limits:
        try:
            limit.check_possible(gateway.tokens_per_request, gateway.pool)
        except PermitImpossible as error:
            raise SettingsError(
                f'broker.limits: no request ever fits into "{limit}": at {gateway.name} each weighs '
                f"{gateway.tokens_per_request}"
            ) from error
