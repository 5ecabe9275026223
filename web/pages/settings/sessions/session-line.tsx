import { useState } from 'react'
import type { ShownSession } from '../../../../src/model/collections/session.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { agoText } from '../../../text/ago.ts'
import { momentText } from '../../../text/moment.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Button } from '../../../ui/button.tsx'
import { browserText } from './browser-text.ts'

interface SessionLineProps {
  session: ShownSession
  /** Names the key that it was made with. */
  hasKey: boolean
  onEnded: () => void
}

/** One session: its browser, and when it was used. */
export const SessionLine = ({ session, hasKey, onEnded }: SessionLineProps) => {
  const now = useNow()
  const [isAsked, setAsked] = useState(false)
  const browser = browserText(session.agent)
  return (
    <li className="flex flex-wrap items-center gap-x-6 gap-y-1 py-2.5">
      <div className="min-w-48 flex-1">
        <p className="flex items-center gap-2">
          <span className="truncate font-medium" title={session.agent}>
            {browser}
          </span>
          {session.is_current && <Badge isStrong>this browser</Badge>}
        </p>
        <p className="truncate text-12 text-muted">
          {hasKey && `${session.key_name ?? 'admin'} · `}signed in {momentText(session.created_at)}
        </p>
      </div>
      <dl className="flex gap-6 text-12">
        <div className="w-24">
          <dt className="text-faint">Last seen</dt>
          <dd>{agoText(session.last_seen_at, now)}</dd>
        </div>
        <div className="w-24">
          <dt className="text-faint">Ends</dt>
          <dd>{agoText(session.expires_at, now)}</dd>
        </div>
      </dl>
      {session.is_current ? (
        <span className="w-16 max-sm:hidden" />
      ) : (
        <Button className="w-16 max-sm:ml-auto" aria-label={`End it: ${browser}`} onClick={() => setAsked(true)}>
          End it
        </Button>
      )}
      {isAsked && (
        <Confirm
          title="End this session?"
          action="End it"
          work={() => api.endSession({ params: { id: String(session.id) } })}
          onDone={onEnded}
          onClose={() => setAsked(false)}
          command={`jetty api endSession id=${session.id}`}
        >
          <p>{browser} is signed out with its next request.</p>
        </Confirm>
      )}
    </li>
  )
}
