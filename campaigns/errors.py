"""What the rules of campaigns do not allow."""

from access.errors import ConflictError, DomainError


class CampaignInvalidError(DomainError):
    """A value that no campaign can have, or something that is missing before the next step of its life."""

    code = "campaign_invalid"


class CampaignStateError(ConflictError):
    """The campaign is not in a state in which this can be done."""

    code = "campaign_state"


class ApprovalRefusedError(ConflictError):
    """This person may not approve this revision."""

    code = "approval_refused"
