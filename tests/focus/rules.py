# SPDX-License-Identifier: Apache-2.0
"""Rules of FOCUS 1.2 and 1.4 for one file, as a table: name, and what a row (or all rows) must be.

Each rule is tried on a row that breaks it (BREAKS), so that none of them can be asleep.
"""

import decimal
import json
import re

decimal.getcontext().prec = 60
PICO = decimal.Decimal("0.000000000001")
TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ\Z")
NUMBER = re.compile(r"-?\d+\.\d+\Z")  # with a point: a column of whole numbers would be one of integers
UNIT = re.compile(r"(\d+ )?[A-Za-z][A-Za-z0-9]*( [A-Za-z][A-Za-z0-9]*)*\Z")

MANDATORY = {
    "1.4": ["BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd",
            "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost",
            "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit",
            "ServiceCategory", "ServiceName", "ServiceProviderName",
            # recommended, and conditional ones whose condition holds
            "AvailabilityZone", "ChargeFrequency", "ServiceSubcategory", "AllocatedMethodDetails", "ConsumedQuantity",
            "ConsumedUnit", "SkuId", "SkuPriceId", "SkuMeter", "SkuPriceDetails", "ListUnitPrice", "ContractedUnitPrice",
            "PricingCategory", "SubAccountId", "SubAccountName", "SubAccountType", "Tags", "RegionId", "RegionName", "ResourceId",
            "ResourceName", "ResourceType", "InvoiceId", "InvoiceDetailId", "AllocatedMethodId", "AllocatedResourceId",
            "AllocatedResourceName", "AllocatedTags"],
}
MANDATORY["1.2"] = [c for c in MANDATORY["1.4"] if not c.startswith("Allocated") and c not in (
    "HostProviderName", "ServiceProviderName", "InvoiceDetailId")] + ["ProviderName", "PublisherName"]
GONE = {"1.4": ["ProviderName", "PublisherName"],
        "1.2": ["HostProviderName", "ServiceProviderName", "InvoiceDetailId", "AllocatedMethodId"]}
NEVER_NULL = ["BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory",
              "ChargePeriodStart", "ChargePeriodEnd", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
              "ServiceCategory", "ServiceName", "ServiceSubcategory", "ChargeFrequency", "PricingCurrency"]
USAGE = ["ListUnitPrice", "ContractedUnitPrice", "PricingCategory", "PricingQuantity", "SkuId", "SkuPriceId", "ConsumedQuantity"]
NUMBERS = ["BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "ListUnitPrice", "ContractedUnitPrice", "PricingQuantity",
           "ConsumedQuantity", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice",
           "PricingCurrencyContractedUnitPrice"]
TIMES = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"]
ALLOWED = {
    "ChargeCategory": ["Usage", "Purchase", "Tax", "Credit", "Adjustment"],
    "ChargeClass": ["", "Correction"],
    "ChargeFrequency": ["One-Time", "Recurring", "Usage-Based"],
    "PricingCategory": ["", "Standard", "Dynamic", "Committed", "Other"],
}
PARENT = {"Generative AI": "AI and Machine Learning", "NoSQL Databases": "Databases", "API Management": "Integration",
          "Other (Business Applications)": "Business Applications", "Other (Other)": "Other"}
DEFINED_DETAILS = {"CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceSeries", "InstanceType", "MemorySize",
                   "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy", "StorageClass"}
# A SKU price's id outlives its prices.
VOLATILE = re.compile(r"@(always|\d{4}-\d\d-\d\d)|USD|EUR|20\d\d-\d\d-\d\d@")


def number(row, column):
    return decimal.Decimal(row[column])


def flat(text):
    value = json.loads(text)
    return isinstance(value, dict) and all(isinstance(v, (str, int, float, bool)) or v is None for v in value.values())


def product(row, price, cost):
    if not row[price] or not row["PricingQuantity"]:
        return True
    return abs(number(row, price) * number(row, "PricingQuantity") - number(row, cost)) * 2 <= PICO


def is_usage(row):
    return row["ChargeCategory"] == "Usage" and not row["ChargeClass"]


def one_each(rows, key, value):
    """For each @key one @value."""
    seen = {}
    return all(seen.setdefault(r[key], r[value]) == r[value] for r in rows if r[key])


# Of one row: name, rule, and a row that breaks it as {column: value}.
ROW = [(f"{c} MUST NOT be null", lambda r, c=c: r[c] != "", {c: ""}) for c in NEVER_NULL]
ROW += [(f"{c} MUST NOT be null for usage", lambda r, c=c: not is_usage(r) or r[c] != "", {"ChargeCategory": "Usage", "ChargeClass": "", c: ""})
        for c in USAGE]
ROW += [(f"{c} MUST be a decimal", lambda r, c=c: not r[c] or NUMBER.match(r[c]), {c: "1,5"}) for c in NUMBERS]
ROW += [(f"{c} MUST be a UTC time", lambda r, c=c: TIME.match(r[c]), {c: "2026-11-01 00:00:00"}) for c in TIMES]
ROW += [(f"{c} MUST be an allowed value", lambda r, c=c: r[c] in ALLOWED[c], {c: "Foo"}) for c in ALLOWED]
ROW += [
    ("the product with ListUnitPrice MUST be ListCost", lambda r: product(r, "ListUnitPrice", "ListCost"),
     {"ListUnitPrice": "3.0", "PricingQuantity": "2.0", "ListCost": "6.000000000001"}),
    ("the product with ContractedUnitPrice MUST be ContractedCost", lambda r: product(r, "ContractedUnitPrice", "ContractedCost"),
     {"ContractedUnitPrice": "3.0", "PricingQuantity": "2.0", "ContractedCost": "6.1"}),
    ("unit prices MUST NOT be negative", lambda r: not r["ListUnitPrice"] or number(r, "ListUnitPrice") >= 0, {"ListUnitPrice": "-1.0"}),
    ("ConsumedUnit is null when ConsumedQuantity is", lambda r: bool(r["ConsumedUnit"]) == bool(r["ConsumedQuantity"]), {"ConsumedUnit": "", "ConsumedQuantity": "1.0"}),
    ("PricingUnit is null when PricingQuantity is", lambda r: bool(r["PricingUnit"]) == bool(r["PricingQuantity"]), {"PricingUnit": "Tokens", "PricingQuantity": ""}),
    ("ConsumedQuantity MUST be null unless usage", lambda r: r["ChargeCategory"] == "Usage" or not r["ConsumedQuantity"], {"ChargeCategory": "Credit", "ConsumedQuantity": "1.0"}),
    ("ConsumedUnit MUST be a unit", lambda r: not r["ConsumedUnit"] or UNIT.match(r["ConsumedUnit"]), {"ConsumedUnit": "1e6 tokens/x"}),
    ("PricingUnit MUST be a unit", lambda r: not r["PricingUnit"] or UNIT.match(r["PricingUnit"]), {"PricingUnit": "tokens_in"}),
    ("SkuMeter is null when SkuId is", lambda r: bool(r["SkuMeter"]) == bool(r["SkuId"]), {"SkuMeter": "X", "SkuId": ""}),
    ("SkuPriceDetails MUST be null when SkuPriceId is", lambda r: not r["SkuPriceDetails"] or r["SkuPriceId"], {"SkuPriceDetails": "{}", "SkuPriceId": ""}),
    ("SkuPriceDetails MUST be a flat object", lambda r: not r["SkuPriceDetails"] or flat(r["SkuPriceDetails"]), {"SkuPriceDetails": '{"x_a":{"b":1}}'}),
    ("SkuPriceDetails MUST have x_ keys", lambda r: not r["SkuPriceDetails"] or all(k.startswith("x_") or k in DEFINED_DETAILS for k in json.loads(r["SkuPriceDetails"])),
     {"SkuPriceDetails": '{"ModelId":"a"}'}),
    ("SkuPriceId MUST NOT hold a date or currency", lambda r: not VOLATILE.search(r["SkuPriceId"]), {"SkuPriceId": "openai/gpt/input@2026-01-01"}),
    ("Tags MUST be a flat object", lambda r: not r["Tags"] or flat(r["Tags"]), {"Tags": '["a"]'}),
    ("ServiceSubcategory MUST have its parent", lambda r: PARENT.get(r["ServiceSubcategory"]) == r["ServiceCategory"], {"ServiceSubcategory": "API Management", "ServiceCategory": "Databases"}),
    ("the charge MUST be in the billing period", lambda r: r["BillingPeriodStart"] <= r["ChargePeriodStart"] < r["ChargePeriodEnd"] <= r["BillingPeriodEnd"],
     {"ChargePeriodEnd": "2036-11-01T00:00:00Z"}),
    ("BillingCurrency MUST be ISO 4217", lambda r: re.match(r"[A-Z]{3}\Z", r["BillingCurrency"]), {"BillingCurrency": "CREDITS"}),
    ("RegionName is null when RegionId is", lambda r: bool(r["RegionId"]) == bool(r["RegionName"]), {"RegionId": "x", "RegionName": ""}),
    ("ResourceType is null when ResourceId is", lambda r: bool(r["ResourceId"]) == bool(r["ResourceType"]), {"ResourceId": "x", "ResourceType": ""}),
    ("SubAccountType is null when SubAccountId is", lambda r: bool(r["SubAccountId"]) == bool(r["SubAccountType"]), {"SubAccountId": "x", "SubAccountType": ""}),
    ("Committed MUST have a commitment", lambda r: r["PricingCategory"] != "Committed", {"PricingCategory": "Committed"}),
    ("no row of what has no price", lambda r: r["x_PriceStatus"] not in ("unpriced", "no_usage", "not_billable"), {"x_PriceStatus": "unpriced"}),
]
# Only in 1.4.
NEW = [(f"{c} MUST NOT be null", lambda r, c=c: r[c] != "", {c: ""}) for c in ("HostProviderName", "ServiceProviderName")]
NEW += [
    ("AllocatedResourceName is null when AllocatedResourceId is", lambda r: r["AllocatedResourceId"] or not r["AllocatedResourceName"],
     {"AllocatedResourceName": "x", "AllocatedResourceId": ""}),
    ("a split row MUST say its method", lambda r: r["AllocatedMethodId"] or not r["AllocatedMethodDetails"],
     {"AllocatedMethodDetails": "{}", "AllocatedMethodId": ""}),
    ("a split row MUST be of an invoice", lambda r: r["InvoiceId"] or not r["AllocatedMethodId"], {"AllocatedMethodId": "x", "InvoiceId": ""}),
]
# Of all rows.
FILE = [
    ("a SkuPriceId has one SkuId", lambda rows: one_each(rows, "SkuPriceId", "SkuId"), {"SkuId": "another"}),
    ("a SkuPriceId has one SkuPriceDetails", lambda rows: one_each(rows, "SkuPriceId", "SkuPriceDetails"), {"SkuPriceDetails": '{"x_a":"b"}'}),
    ("a SkuId has one SkuMeter", lambda rows: one_each(rows, "SkuId", "SkuMeter"), {"SkuMeter": "another"}),
    ("a ServiceName has one ServiceCategory", lambda rows: one_each(rows, "ServiceName", "ServiceCategory"), {"ServiceCategory": "another"}),
    ("a ServiceName has one ServiceSubcategory", lambda rows: one_each(rows, "ServiceName", "ServiceSubcategory"), {"ServiceSubcategory": "another"}),
]


def header(titles, version):
    """What is wrong with the columns."""
    own = [t.startswith("x_") for t in titles]
    bad = [f"{c} MUST be there" for c in MANDATORY[version] if c not in titles]
    bad += [f"{c} is not of {version}" for c in GONE[version] if c in titles]
    if len(set(titles)) != len(titles):
        bad.append("a title is there twice")
    return bad + (["columns of one's own MUST come last"] if own != sorted(own) else [])


def broken(rows, version):
    """The names of the rules that these rows break."""
    bad = []
    for name, holds, _ in ROW + (NEW if version == "1.4" else []):
        bad += [f"{name}: {r['SubAccountId']} {r['SkuPriceId']}" for r in rows if not holds(r)]
    return bad + [name for name, holds, _ in FILE if not holds(rows)]


def asleep(row, version):
    """The names of the rules that do not notice a row that breaks them."""
    dead = [name for name, holds, change in ROW + (NEW if version == "1.4" else []) if holds({**row, **change})]
    return dead + [name for name, holds, change in FILE if holds([row, {**row, **change}])]
