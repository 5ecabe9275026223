import { useEffect } from 'react'
import { visibleDirections } from '../text/directions.ts'

/** Names the page in the tab of the browser: the most special first, since tabs are narrow. */
export const useTitle = (...parts: (string | undefined)[]): void => {
  const title = [...parts.filter((part) => part), 'Jetty'].join(' · ')
  useEffect(() => {
    document.title = visibleDirections(title)
  }, [title])
}
