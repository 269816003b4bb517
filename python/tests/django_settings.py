"""The settings of Django in the tests; each test overrides what it is about."""

SECRET_KEY = "of the tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_settings"
urlpatterns: list[object] = []
MIDDLEWARE: list[str] = []
DEBUG_PROPAGATE_EXCEPTIONS = True
LOGGING_CONFIG = None
USE_TZ = True
