"""The forms: which posts are looked for, and the settings of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils.timezone import make_aware
from django.utils.translation import gettext as _, gettext_lazy

from mailman_arc.web.text import shown
from mailman_arc.web.words import (
    DISPOSITIONS,
    GROUPS,
    VERDICTS,
    Text,
    choice_label,
    setting_group,
    setting_label,
    translated,
)


_RESULTS = (
    *("none", "pass", "fail", "softfail"),
    *("neutral", "policy", "temperror", "permerror"),
)
# Each Bootstrap takes what it knows.
TEXT = "form-control form-control-sm"
SELECT = f"{TEXT} form-select form-select-sm"

_FIRST_YEAR, _LAST_YEAR = 1970, 9998

_ANY = ("", gettext_lazy("Any"))


class _Day(forms.DateField):
    """A day of the visitor's time zone, as browsers write it."""

    def __init__(self, label: Text) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(
            label=label, widget=widget, required=False, input_formats=["%Y-%m-%d"]
        )

    def to_python(self, value: Any) -> Any:
        """A day; the ends of the calendar are none, which no time zone may leave."""
        day = super().to_python(value)
        if day is not None and not _FIRST_YEAR <= day.year <= _LAST_YEAR:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return day


class _Choice(forms.ChoiceField):
    def __init__(self, label: Text, choices: Sequence[tuple[str, Text]]) -> None:
        super().__init__(label=label, choices=[_ANY, *choices], required=False)


def _result(label: str) -> _Choice:
    return _Choice(label, [(each, each) for each in _RESULTS])


class FilterForm(forms.Form):
    """Which posts are wanted; the names are those of REST."""

    q = forms.CharField(label=gettext_lazy("Search"), max_length=200, required=False)
    verdict = _Choice(
        gettext_lazy("Result"), [(name, word.label) for name, word in VERDICTS.items()]
    )
    from_domain = forms.CharField(
        label=gettext_lazy("Sender domain"), max_length=253, required=False
    )
    since = _Day(gettext_lazy("First day"))
    until = _Day(gettext_lazy("Last day"))
    disposition = _Choice(gettext_lazy("What became of it"), [*DISPOSITIONS.items()])
    sealed = _Choice(
        gettext_lazy("Sealed"),
        [("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))],
    )
    dkim = _result("DKIM")
    spf = _result("SPF")
    dmarc = _result("DMARC")
    arc = _result("ARC")
    message_id_hash = forms.CharField(
        max_length=32, required=False, widget=forms.HiddenInput
    )

    MORE = ("disposition", "sealed", "dkim", "spf", "dmarc", "arc")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field, forms.ChoiceField)
            field.widget.attrs["class"] = SELECT if is_choice else TEXT

    def wanted(self) -> dict[str, str]:
        """The filters as REST takes them: days as times, in UTC."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        if "since" in given:
            given["since"] = _begin(given["since"])
        if "until" in given:
            given["until"] = _begin(given["until"] + timedelta(days=1))
        return {name: str(value) for name, value in given.items()}

    def is_used(self) -> bool:
        """Tell whether anything is filtered."""
        return any(self.cleaned_data.values())

    def first_fields(self) -> Iterator[Any]:
        """The fields that are seen at once."""
        return (each for each in self.visible_fields() if each.name not in self.MORE)

    def more_fields(self) -> list[Any]:
        """Those for people who know the words."""
        return [self[name] for name in self.MORE]

    def has_more(self) -> bool:
        """Tell whether one of those is used."""
        return any(self.data.get(name) for name in self.MORE)


def _begin(day: date) -> str:
    """The begin of a day of the visitor's, in UTC.

    Twelve hours before its noon, for there is not always a midnight.
    """
    noon = make_aware(datetime.combine(day, time(12)))
    begin = noon.astimezone(UTC).replace(tzinfo=None) - timedelta(hours=12)
    return begin.isoformat()


class SettingRow:
    """One setting of a list in the form: its own value, or what it inherits."""

    def __init__(self, told: Mapping[str, Any], identities: Sequence[str]) -> None:
        self.name: str = told["name"]
        self.label = setting_label(self.name)
        self.group = setting_group(self.name)
        self.help = translated(told["help"])
        self.value = as_text(told["value"])
        self.inherited = as_text(told["inherited"])
        self.origin: str = told["origin"]
        self.choices = [str(each) for each in told["choices"]]
        if self.name == "identity":
            known = {*identities, self.value, self.inherited} - {""}
            self.choices = sorted(known)

    @property
    def is_own(self) -> bool:
        """Tell whether the list has a value of its own."""
        return self.origin == "list"

    @property
    def origin_label(self) -> str:
        """Where the value comes from that holds now."""
        return origin_label(self.origin)

    @property
    def mode_name(self) -> str:
        """The field that says whether the value is inherited, beside one for text."""
        return f"inherit_{self.name}"

    def fields(self) -> dict[str, forms.Field]:
        """The fields of the form: a choice, or a choice and a text."""
        inherit = _("Inherited (%(value)s)") % {
            "value": shown(choice_label(self.name, self.inherited))
        }
        if self.choices:
            choices = [
                (each, shown(choice_label(self.name, each))) for each in self.choices
            ]
            return {
                self.name: forms.ChoiceField(
                    choices=[("", inherit), *choices],
                    initial=self.value if self.is_own else "",
                    required=False,
                    widget=forms.Select(attrs=self._attributes(SELECT)),
                )
            }
        return {
            self.mode_name: forms.ChoiceField(
                choices=[("yes", inherit), ("no", _("A value of its own:"))],
                initial="no" if self.is_own else "yes",
                widget=forms.RadioSelect,
            ),
            self.name: forms.CharField(
                initial=self.value if self.is_own else "",
                required=False,
                widget=forms.TextInput(
                    attrs={
                        **self._attributes(TEXT),
                        "aria-label": _("A value of its own"),
                    }
                ),
            ),
        }

    def _attributes(self, style: str) -> dict[str, str]:
        return {"class": style, "aria-describedby": f"help_{self.name}"}


@dataclass(frozen=True)
class Group:
    """Settings that stand together; `is_open` tells whether they are seen at once."""

    label: Text
    is_open: bool
    rows: list[tuple[SettingRow, Any, Any]]


class SettingsForm(forms.Form):
    """The settings of a list, made from what the plugin tells of them."""

    def __init__(self, told: Mapping[str, Any], data: Any = None) -> None:
        super().__init__(data)
        identities = told.get("allowed_identities", [])
        self.settings = [SettingRow(each, identities) for each in told["settings"]]
        for row in self.settings:
            self.fields.update(row.fields())

    def groups(self) -> Iterator[Group]:
        """The settings, those together that belong together."""
        for name, label in GROUPS.items():
            rows = [each for each in self.settings if each.group == name]
            if rows:
                is_open = bool(name) or any(map(self._is_touched, rows))
                yield Group(label, is_open, [self._with_fields(each) for each in rows])

    def _is_touched(self, row: SettingRow) -> bool:
        return row.is_own or bool(self.errors.keys() & {row.name, row.mode_name})

    def _with_fields(self, row: SettingRow) -> tuple[SettingRow, Any, Any]:
        """A setting, its field, and the one beside it, if any."""
        mode = self[row.mode_name] if row.mode_name in self.fields else None
        return row, self[row.name], mode

    def clean(self) -> dict[str, Any]:
        """Refuse a text that would not be obeyed."""
        cleaned: dict[str, Any] = super().clean()
        for row in self.settings:
            if cleaned.get(row.mode_name) == "yes":
                given = cleaned.get(row.name, "")
                if given and given != (row.value if row.is_own else ""):
                    self.add_error(
                        row.name,
                        _("Choose the value of its own, or leave the field empty."),
                    )
        return cleaned

    def changes(self) -> dict[str, str | None]:
        """What is to be changed; None where the list inherits again."""
        changes: dict[str, str | None] = {}
        for row in self.settings:
            given = self._given(row)
            if given != (row.value if row.is_own else None):
                changes[row.name] = given
        return changes

    def _given(self, row: SettingRow) -> str | None:
        value: str = self.cleaned_data[row.name]
        if row.mode_name in self.fields:
            return value if self.cleaned_data[row.mode_name] == "no" else None
        return value or None

    def refuse(self, sentence: str) -> None:
        """Show why the plugin refused, beside the setting it named."""
        names = [each.name for each in self.settings if f'"{each.name}"' in sentence]
        self.add_error(names[0] if len(names) == 1 else None, shown(sentence))


def as_text(value: object) -> str:
    """A value as it is written in arc.cfg."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def origin_label(origin: str) -> str:
    """Where a value comes from."""
    kind, _space, name = origin.partition(" ")
    if kind == "domain":
        return _("set for the mail domain %(domain)s") % {"domain": shown(name)}
    labels = {
        "default": _("the default"),
        "site": _("set for the whole site"),
        "list": _("set for this list"),
    }
    return labels.get(kind, shown(origin))
