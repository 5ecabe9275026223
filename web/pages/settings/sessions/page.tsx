import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { ShownSession } from '../../../../src/model/collections/session.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { paged } from '../../../data/paged.ts'
import { signOut } from '../../../data/sign-in.ts'
import { useWhoami } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { SignOutEverywhere } from '../../../parts/sign-out-everywhere.tsx'
import { agoText, momentText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Button } from '../../../ui/button.tsx'
import { CommandLines, SettingsHeading } from '../frame.tsx'

const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(Headless)?(Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
]
const systems: readonly (readonly [RegExp, string])[] = [
  [/\b(iPhone|iPad)\b/, 'iOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

const nameIn = (list: typeof browsers, agent: string): string | undefined =>
  list.find(([pattern]) => pattern.test(agent))?.[1]

/** The browser that a `User-Agent` names, such as "Firefox on Linux"; an unknown one as it is, shortened. */
export const browserText = (agent: string): string => {
  const [browser, system] = [nameIn(browsers, agent), nameIn(systems, agent)]
  if (browser === undefined) return agent === '' ? 'An unknown browser' : agent.slice(0, 60)
  return system === undefined ? browser : `${browser} on ${system}`
}

interface SessionLineProps {
  session: ShownSession
  /** Names the key that it was made with. */
  hasKey: boolean
  onEnded: () => void
}

/** One session: its browser, and when it was used. */
const SessionLine = ({ session, hasKey, onEnded }: SessionLineProps) => {
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

const queryKey = ['sessions']
const pageSize = 50

/** The browsers that have signed in with the same key. */
const SessionsPage = () => {
  const who = useWhoami()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [asked, setAsked] = useState<'others' | 'all'>()
  const list = useInfiniteQuery({
    queryKey,
    ...paged((page, signal) => api.listSessions({ query: { limit: pageSize, ...page }, signal })),
  })
  const sessions = list.data?.pages.flatMap((page) => page.sessions) ?? []
  const isAdmin = who?.auth_type === 'admin'
  const name = isAdmin ? 'the admin token' : `the key ${who?.name ?? ''}`
  const changed = () => void queries.invalidateQueries({ queryKey })
  const leave = () => void navigate({ to: '/sign-in' })
  const close = () => setAsked(undefined)
  return (
    <>
      <SettingsHeading
        title="Sessions"
        actions={
          <>
            <Button icon="leave" onClick={() => void signOut().then(leave)}>
              Sign out here
            </Button>
            <Button onClick={() => setAsked('others')}>Sign out others</Button>
            <Button look="bad" onClick={() => setAsked('all')}>
              Sign out everywhere
            </Button>
          </>
        }
      >
        {who && `This browser is signed in with ${name} (${who.access_level}). `}
        {isAdmin
          ? 'You see the sessions of all keys; the buttons concern those of the admin token.'
          : 'Sessions of other keys are not shown.'}
      </SettingsHeading>
      <ListFrame list={list} count={sessions.length} more="Older sessions">
        <ul aria-label="Sessions" className="divide-y divide-line border-line border-y">
          {sessions.map((session) => (
            <SessionLine key={session.id} session={session} hasKey={isAdmin} onEnded={changed} />
          ))}
        </ul>
      </ListFrame>
      <CommandLines lines={['jetty api listSessions', 'jetty api endSessions']} />
      {asked === 'others' && (
        <Confirm
          title="Sign out all other browsers?"
          action="Sign out others"
          work={() => api.endSessions({ query: { keep: 'current' } })}
          onDone={changed}
          onClose={close}
        >
          <p>Every other session of {name} ends with its next request. This one stays. The key itself stays valid.</p>
        </Confirm>
      )}
      {asked === 'all' && <SignOutEverywhere onClose={close} />}
    </>
  )
}

export default SessionsPage
