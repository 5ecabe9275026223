import { Suspense, useEffect } from 'react'
import { lazyPart } from '../../data/server-away.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import type { FilterBoxProps } from './filter-box.tsx'

const loadBox = () => import('./filter-box.tsx')
const FilterBox = lazyPart(loadBox)

/** A button that opens what a list can be limited to, which comes after the page. */
export const AddFilter = (props: Omit<FilterBoxProps, 'close'>) => {
  useEffect(() => void loadBox().catch(() => {}), [])
  return (
    <Popover
      className={buttonClass('quiet')}
      boxClass="w-76 p-3"
      button={
        <>
          <Icon name="plus" /> Filter
        </>
      }
    >
      {(close) => (
        <Suspense>
          <FilterBox {...props} close={close} />
        </Suspense>
      )}
    </Popover>
  )
}
