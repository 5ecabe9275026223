import { Link } from '@tanstack/react-router'
import { useTitle } from '../data/title.ts'
import { buttonClass } from '../ui/button.tsx'
import { Empty } from '../ui/empty.tsx'
import { keysText } from '../ui/keys.ts'

/** The page for an address that leads nowhere. */
export const NotFound = () => {
  useTitle('Not found')
  return (
    <main>
      <h1 className="sr-only">Not found</h1>
      <Empty
        title="There is no page at this address"
        actions={
          <Link to="/" className={buttonClass('main')}>
            All collections
          </Link>
        }
      >
        Check the address, or press {keysText('mod+k')} to search for a task.
      </Empty>
    </main>
  )
}
