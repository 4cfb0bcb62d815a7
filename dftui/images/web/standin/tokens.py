"""Session tokens: JWTs signed HS256 with APP_KEY as it stands, and the blacklist of those that were ended."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from .cache import Store
from .settings import Settings


class TokenError(Exception):
    """A token that is not good: `status` 401, or 403 when it was ended by hand."""

    def __init__(self, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.status = status


class Tokens:
    """Makes, checks, renews and ends tokens."""

    def __init__(self, settings: Settings, cache: Store) -> None:
        self._key = settings.app_key
        self._life = settings.token_life
        self._cache = cache

    def make(self, user_id: int, email: str, issuer: str, forever: bool) -> tuple[str, int]:
        """A token and the time at which it ends (unix)."""
        import jwt

        now = int(time.time())
        until = now + self._life
        claims = {
            "sub": hashlib.md5(email.encode(), usedforsecurity=False).hexdigest(),
            "iss": issuer,
            "iat": now,
            "exp": until,
            "nbf": now,
            "jti": secrets.token_urlsafe(12),
            "user_id": user_id,
            "forever": forever,
        }
        return jwt.encode(claims, self._key, algorithm="HS256"), until

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a good token. Raises TokenError."""
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"])
        except jwt.ExpiredSignatureError:
            raise TokenError(
                "Session expired. Please refresh your token (if within refresh window) or re-login."
            ) from None
        except jwt.ImmatureSignatureError as error:
            which = "Issued At (iat)" if "iat" in str(error) else "Not Before (nbf)"
            raise TokenError(f"{which} timestamp cannot be in the future") from None
        except jwt.InvalidSignatureError:
            raise TokenError("Token Signature could not be verified.") from None
        except jwt.PyJWTError:
            raise TokenError("Wrong number of segments" if token.count(".") != 2 else "Invalid token") from None
        if self._cache.get(self._black(claims)):
            raise TokenError("The token has been blacklisted", 403)
        return claims

    def end(self, claims: dict[str, Any]) -> None:
        """Put it on the blacklist, for as long as it would have lived."""
        left = max(60, int(claims["exp"]) - int(time.time()) + 60)
        self._cache.put(self._black(claims), {"valid_until": int(time.time())}, left)

    def _black(self, claims: dict[str, Any]) -> str:
        return f"jwt.blacklist.{claims.get('jti')}"
