//! Tests of a full store in memory, and of the pages of its keys.

use super::*;

#[tokio::test]
async fn a_full_store_refuses_and_sweeps_what_has_expired() {
    let store = Memory::default();
    let half = vec![0; CAPACITY_BYTES / 2];
    let second = Duration::from_secs(1);
    assert_eq!(
        store
            .set("a", &half, Some(Duration::from_nanos(1)), Condition::Always)
            .await,
        Ok(true)
    );
    assert_eq!(
        store
            .set("b", &half[1000..], Some(second), Condition::Always)
            .await,
        Ok(true)
    );
    assert_eq!(
        store
            .set("c", &half[1000..], Some(second), Condition::Always)
            .await,
        Ok(true)
    );
    assert!(matches!(
        store.set("d", &half, None, Condition::Always).await,
        Err(StoreError::Full(_))
    ));
    assert_eq!(
        store.set("c", b"small", None, Condition::Always).await,
        Ok(true)
    );
    assert_eq!(store.get("a").await, Ok(None));
}

#[tokio::test]
async fn a_full_store_is_not_swept_for_every_key() {
    let store = Memory::default();
    store
        .set(
            "a",
            &vec![0; CAPACITY_BYTES - 1000],
            None,
            Condition::Always,
        )
        .await
        .unwrap();
    assert!(
        store
            .set("b", &[0; 1000], None, Condition::Always)
            .await
            .is_err()
    );
    let swept = store.lock().swept;
    assert!(swept.is_some());
    assert!(
        store
            .set("b", &[0; 1000], None, Condition::Always)
            .await
            .is_err()
    );
    assert_eq!(store.lock().swept, swept);
}

#[tokio::test]
async fn pages_go_on_after_the_last_key() {
    let store = Memory::default();
    for key in ["p:a", "p:b", "p:c", "q:a"] {
        store.set(key, b"", None, Condition::Always).await.unwrap();
    }
    let first = store.scan("p:", None, 2).await.unwrap();
    assert_eq!(
        (first.keys, first.cursor.as_deref()),
        (vec!["p:a".into(), "p:b".into()], Some("p:b"))
    );
    let last = store.scan("p:", Some("p:b"), 2).await.unwrap();
    assert_eq!(
        last,
        Page {
            keys: vec!["p:c".into()],
            cursor: None
        }
    );
    // A cursor that no listing returned does not lead out of the prefix.
    for made_up in ["", "q:"] {
        assert!(matches!(
            store.scan("p:", Some(made_up), 9).await,
            Err(StoreError::Invalid(_))
        ));
    }
}
