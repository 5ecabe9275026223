import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import { AuditList } from './audit-list.tsx'

/** Who changed what on this server, deleted collections included. */
const ServerAuditPage = () => (
  <>
    <SettingsHeading title="Audit of the server">
      Every change in every collection, newest first, also in those that were deleted since. A change of several
      collections has an entry for each.
    </SettingsHeading>
    <AuditList collection={undefined} />
    <CommandLines lines={['jetty api listServerAudit limit=50']} />
  </>
)

export default ServerAuditPage
