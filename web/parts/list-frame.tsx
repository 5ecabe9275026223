import type { ReactNode } from 'react'
import { Button } from '../ui/button.tsx'
import { Problem } from './problem.tsx'

interface ListFrameProps {
  /** The query that lists; one with pages has a button for the next one. */
  list: {
    error: unknown
    isSuccess: boolean
    isFetching: boolean
    refetch: () => Promise<unknown>
    hasNextPage?: boolean
    fetchNextPage?: () => Promise<unknown>
  }
  count: number
  /** Stands where nothing is listed. */
  empty?: ReactNode
  /** Text of the button for the next page, and what stands beside it. */
  more?: string
  beside?: ReactNode
  children: ReactNode
}

/** What every list has around its rows: a refusal that can be tried again, what stands where none is, and more of them. */
export const ListFrame = ({ list, count, empty, more = 'Show more', beside, children }: ListFrameProps) => (
  <>
    {list.error != null && <Problem error={list.error} onRetry={() => void list.refetch()} />}
    {list.isSuccess && count === 0 && empty}
    {count > 0 && children}
    {list.hasNextPage && (
      <p className="flex flex-wrap items-center gap-3 text-muted">
        <Button disabled={list.isFetching} onClick={() => void list.fetchNextPage?.()}>
          {more}
        </Button>
        {beside}
      </p>
    )}
  </>
)
