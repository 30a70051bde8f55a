//! Bounded pages of lists.

/// Which page is wanted: counted from 1, never larger than the limit it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    page: u32,
    size: u32,
}

impl PageRequest {
    /// Page `page` of `size` items, both at least 1 and `size` at most `size_max`.
    pub fn new(page: u32, size: u32, size_max: u32) -> Self {
        Self { page: page.max(1), size: size.clamp(1, size_max.max(1)) }
    }

    /// The page's number, from 1.
    pub const fn page(self) -> u32 {
        self.page
    }

    /// Items on a page.
    pub const fn size(self) -> u32 {
        self.size
    }

    /// Items before this page.
    pub fn offset(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.size)
    }
}

/// One page of a list, and how long the whole list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Items on all pages.
    pub total: u64,
}

impl<T> Page<T> {
    /// Whether a page follows the one asked for.
    pub fn has_more(&self, request: PageRequest) -> bool {
        request.offset() + u64::from(request.size()) < self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_on_every_side() {
        let request = PageRequest::new(0, 10_000, 100);
        assert_eq!((request.page(), request.size(), request.offset()), (1, 100, 0));
        let last = PageRequest::new(u32::MAX, u32::MAX, 100);
        assert_eq!(last.offset(), u64::from(u32::MAX - 1) * 100);
    }

    #[test]
    fn the_last_page_has_nothing_after_it() {
        let page = Page { items: vec![1], total: 21 };
        assert!(page.has_more(PageRequest::new(1, 20, 100)));
        assert!(!page.has_more(PageRequest::new(2, 20, 100)));
    }
}
