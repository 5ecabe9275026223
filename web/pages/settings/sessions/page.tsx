import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { signOut } from '../../../data/sign-in.ts'
import { useWhoami } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { SignOutEverywhere } from '../../../parts/sign-out-everywhere.tsx'
import { Button } from '../../../ui/button.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import { SessionLine } from './session-line.tsx'

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
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      api.listSessions({
        query: { limit: pageSize, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
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
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      <ul aria-label="Sessions" className="divide-y divide-line border-line border-y">
        {sessions.map((session) => (
          <SessionLine key={session.id} session={session} hasKey={isAdmin} onEnded={changed} />
        ))}
      </ul>
      {list.hasNextPage && (
        <Button className="self-start" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
          Older sessions
        </Button>
      )}
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
