import { Link } from '@tanstack/react-router'
import { tabClass } from '../ui/tabs.tsx'

interface TabsProps {
  collection: string
  current: 'overview' | 'runs' | 'sessions' | 'users' | 'datasets' | 'settings'
}

/** The tabs of a collection, each a page of its own. */
export const CollectionTabs = ({ collection, current }: TabsProps) => (
  <nav aria-label="Parts of the collection" className="flex shrink-0 gap-4 overflow-x-auto border-line border-b px-4">
    <Link
      to="/$collection"
      params={{ collection }}
      aria-current={current === 'overview' ? 'page' : undefined}
      className={tabClass(current === 'overview')}
    >
      Overview
    </Link>
    <Link
      to="/$collection/-/runs"
      params={{ collection }}
      aria-current={current === 'runs' ? 'page' : undefined}
      className={tabClass(current === 'runs')}
    >
      Runs
    </Link>
    <Link
      to="/$collection/-/sessions"
      params={{ collection }}
      aria-current={current === 'sessions' ? 'page' : undefined}
      className={tabClass(current === 'sessions')}
    >
      Sessions
    </Link>
    <Link
      to="/$collection/-/users"
      params={{ collection }}
      aria-current={current === 'users' ? 'page' : undefined}
      className={tabClass(current === 'users')}
    >
      Users
    </Link>
    <Link
      to="/$collection/-/datasets"
      params={{ collection }}
      aria-current={current === 'datasets' ? 'page' : undefined}
      className={tabClass(current === 'datasets')}
    >
      Datasets
    </Link>
    <Link to="/-/playground" search={{ collection }} className={tabClass(false)}>
      Playground
    </Link>
    <Link
      to="/$collection/-/settings/$section"
      params={{ collection, section: 'keys' }}
      aria-current={current === 'settings' ? 'page' : undefined}
      className={tabClass(current === 'settings')}
    >
      Settings
    </Link>
  </nav>
)
