import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import { AuditList } from './audit-list.tsx'

/** Who changed what in a collection. */
const AuditPage = ({ collection }: CollectionPlace) => (
  <>
    <SettingsHeading title={`Audit of ${collection}`}>
      Who changed what, newest first: tasks, keys, variables, settings, sessions. Values of secrets are left out. Runs
      are not listed here; each of them names who started it.
    </SettingsHeading>
    <AuditList collection={collection} />
    <CommandLines lines={[`jetty api listAudit collection=${collection} operation=setEnvironment`]} />
  </>
)

export default AuditPage
